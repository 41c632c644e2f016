"""Figures are computed once more from what they came from, so that a hand on a file shows.

    outs/encode, outs/validate, the model ──► which samples, run.json ───────┐
    evaluated.jsonl ──► leads of each sample, metrics.csv, evaluate.json ────┼──► contradictions
    evaluate.json, loss curves, ratings ──► decision.json ───────────────────┤
    dvc.lock ──► the files that are read here are those that DVC recorded ───┘

What the samples' own figures came from, films, clips and photos, `remeasure.py` measures.

`dvc commit --force` makes any file the recorded one; it does not make figures agree.

NOTE: what is measured by a network over all videos of a part together, FVD, is held against metrics.csv alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.promotion.lock import unlocked_files
from pvtt.records.base import Record
from pvtt.records.decision import read_decision
from pvtt.records.evaluation import (
    EvaluatedSample,
    EvaluationMetrics,
    EvaluationRun,
    read_evaluated,
    read_metrics,
    read_run,
)

if TYPE_CHECKING:
    from pvtt.evaluation.evaluate import EvaluateJob
    from pvtt.evaluation.samples import Chosen

RELATIVE_TOLERANCE = 1e-6  # of figures that another machine has computed; seeds are equal
OF_THE_MACHINE = ("fingerprint.versions", "fingerprint.device", "fingerprint.num_threads", "certified")


def audit(workspace: Workspace, params: Params) -> tuple[str, ...]:
    """Compute the evaluation's figures and the decision once more.

    Returns:
        Contradictions: each names the file, the field, what stands there and what was computed.

    Raises:
        MissingInputError: Something hasn't run yet.
        PvttError: A file is not in its format.
    """
    from pvtt.evaluation.evaluate import EvaluateJob
    from pvtt.evaluation.samples import choose

    out = workspace.out("evaluate")
    run, samples = read_run(out / "run.json"), read_evaluated(out)
    metrics = read_metrics(workspace.metrics / "evaluate.json")
    job = EvaluateJob(workspace, run.model, params)
    chosen = choose(workspace, params)
    asked = [one for one in chosen if one.part in params.evaluate.parts]
    return (
        *unlocked_files(workspace.root, ("evaluate", "decide")),
        *_of_the_run(job, run, chosen),
        *check_samples(job, samples, asked, metrics),
        *_of_metrics(job, samples, metrics, out / "metrics.csv"),
        *_of_the_decision(workspace, params),
    )


def differences(recorded: Record, computed: Record, source: str, but: Sequence[str] = ()) -> list[str]:
    """Fields in which two records differ, each `field is X, source gives Y`.

    Args:
        recorded: What stands in the file.
        computed: What should.
        source: Of the latter, in words.
        but: Fields that may differ, with all that is in them.
    """
    known, should = (dict(_leaves(record.model_dump(mode="json"))) for record in (recorded, computed))
    return [
        f"{field} is {_shown(known, field)}, {source} {_shown(should, field)}"
        for field in dict.fromkeys((*known, *should))
        if not _equal(known.get(field), should.get(field))
        and not any(field == name or field.startswith(f"{name}.") for name in but)
    ]


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, f"{place}.{key}" if place else str(key))
    else:
        yield place, value


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-9) or one is other
    return bool(one == other)


def _shown(values: Mapping[str, Any], field: str) -> str:
    if field not in values:
        return "nothing"
    value = values[field]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _of_the_run(job: EvaluateJob, run: EvaluationRun, chosen: Sequence[Chosen]) -> list[str]:
    from pvtt.evaluation.evaluate import describe_run

    computed = describe_run(job, chosen, run.certified)
    found = differences(run, computed, "the model, the samples and the code give", but=OF_THE_MACHINE)
    return [f"outs/evaluate/run.json: {one}" for one in found]


def check_samples(
    job: EvaluateJob, samples: Sequence[EvaluatedSample], chosen: Sequence[Chosen], metrics: EvaluationMetrics
) -> Iterator[str]:
    """Which samples there are, whose they are, and leads that are differences of their own metrics.

    Args:
        job: What was evaluated.
        samples: All that were.
        chosen: All that were to be.
        metrics: The evaluation's.

    Returns:
        What is wrong, a phrase each.
    """
    from pvtt.evaluation.contenders.all import measured_routes
    from pvtt.evaluation.scores import all_scores

    file = "outs/evaluate/evaluated.jsonl"
    asked = {(one.part, one.entry.key): one for one in chosen}
    there = {(sample.part, sample.key): sample for sample in samples}
    for part, key in asked.keys() - there.keys():
        yield f"{file}: {part} {key} is missing, though it was to be evaluated"
    for part, key in there.keys() - asked.keys():
        yield f"{file}: {part} {key} was not to be evaluated"
    if len(there) < len(samples):
        yield f"{file}: {len(samples) - len(there)} samples stand there twice"
    scores = all_scores(routes=measured_routes(metrics))
    leads = [score for score in scores if score.difference is not None]
    of_saved = {
        score.name for score in scores if score.measure is None and score.difference is None
    }  # the saved film's
    for place in sorted(asked.keys() & there.keys()):
        sample, name = there[place], " ".join(place)
        measured = [_with_leads(values, leads) for values in sample.generations or (sample.metrics,)]
        computed = asked[place].evaluated(job.params, sample.videos, measured)
        saved = {metric: value for metric, value in sample.metrics.items() if metric in of_saved}
        computed = computed.model_copy(update={"metrics": {**computed.metrics, **saved}})
        yield from (f"{file}: {name}: {one}" for one in differences(sample, computed, "computed again:"))
        if (sample.to_rate or sample.part == "transfer") and not sample.videos:
            yield f"{file}: {name}: its videos were to be kept, and are not"


def _with_leads(values: Mapping[str, float | None], leads: Sequence[Any]) -> dict[str, float | None]:
    computed = dict(values)
    for score in leads:
        one, other = (values.get(name) for name in score.difference)
        if score.name in values and one is not None and other is not None:
            computed[score.name] = one - other
    return computed


def _of_metrics(
    job: EvaluateJob, samples: Sequence[EvaluatedSample], metrics: EvaluationMetrics, table: Path
) -> Iterator[str]:
    from pvtt.evaluation.contenders.all import measured_routes
    from pvtt.evaluation.evaluate import as_csv, summarise_run
    from pvtt.evaluation.metrics.fvd import FvdResult
    from pvtt.records.parts import PARTS

    fvd = {
        part: None if value is None or value.status == "not_measured" else FvdResult(value.value, value.n)
        for part in PARTS
        for value in [metrics.get(part, "fvd")]
    }
    routes = measured_routes(metrics)
    computed = summarise_run(read_run(table.parent / "run.json").run_id, samples, fvd, job, routes, metrics.routes)
    for one in differences(metrics, computed, "the samples' own records give"):
        yield f"metrics/evaluate.json: {one}"
    if table.read_text(encoding="utf-8") != as_csv(metrics):
        yield "outs/evaluate/metrics.csv: its figures are not those of metrics/evaluate.json"


def _of_the_decision(workspace: Workspace, params: Params) -> list[str]:
    from pvtt.decision.decide import decide
    from pvtt.errors import PvttError
    from pvtt.stages.decide import read_measurements

    decision = read_decision(workspace.metrics / "decision.json")
    try:
        run_id, measurements = read_measurements(workspace, params)
    except PvttError as error:  # figures and videos of two runs
        return [error.message]
    computed = decide(measurements, params, run_id)
    found = differences(decision, computed, "the measurements and ratings give")
    return [f"metrics/decision.json: {one}" for one in found]
