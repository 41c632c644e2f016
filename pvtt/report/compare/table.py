"""Runs side by side: whether they compare at all, what of their params differs, and every metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pvtt.errors import PvttError
from pvtt.evaluation.contenders.all import measured_routes
from pvtt.evaluation.contenders.model import CHAMPION, UNTRAINED
from pvtt.evaluation.metrics.metric import Metric
from pvtt.evaluation.scores import all_scores
from pvtt.records.evaluation import EvaluationMetrics, Fingerprint
from pvtt.records.parts import PARTS, Part
from pvtt.report.compare.record import ComparedCell, ComparedRow, ComparedRun, Compares, ParamRow, RunComparison
from pvtt.report.compare.sources import Run
from pvtt.report.paper import best_of
from pvtt.stats.two_level import Measurement, TwoLevelEstimate, paired_difference

OF_THE_BASE = "base_sha256"  # of a fingerprint: only the contender `untrained` depends on it
MAX_RUNS = 12
RESAMPLES = 2000  # behind an interval, as in an evaluation


def require_runs(names: Sequence[str]) -> None:
    """Refuse what cannot stand side by side.

    Raises:
        PvttError: Fewer than 2 or more than `MAX_RUNS` names, or one of them twice.
    """
    if not 2 <= len(names) <= MAX_RUNS or len(set(names)) < len(names):
        raise PvttError(
            f"{len(names)} runs, {len(set(names))} of them different: they cannot stand side by side",
            f"name 2 to {MAX_RUNS} different runs: pvtt report --compare HEAD .",
        )


def compare_runs(runs: Sequence[Run]) -> RunComparison:
    """Hold runs against the first. Raises as `require_runs`."""
    require_runs([run.name for run in runs])
    compares = [_compares(run, runs[0]) for run in runs]
    return RunComparison(
        runs=tuple(_row(run, *found) for run, found in zip(runs, compares, strict=True)),
        params=tuple(_params(runs)),
        rows=tuple(_rows(runs, [verdict for verdict, _ in compares])),
    )


def differing(one: Fingerprint, other: Fingerprint) -> tuple[str, ...]:
    """What two evaluations did not have in common, though scores depend on it: `protocol.num_steps: 6, here 4`."""
    mine, theirs = (mark.model_dump(exclude={OF_THE_BASE}) for mark in (one, other))
    return tuple(_differing(mine, theirs, ""))


def _differing(mine: object, theirs: object, name: str) -> Iterator[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys([*theirs, *mine]):
            yield from _differing(mine.get(key), theirs.get(key), f"{name}.{key}" if name else str(key))
    elif mine != theirs:
        yield f"{name}: {_short(theirs)}, here {_short(mine)}"


def _short(value: object) -> str:
    text = "–" if value is None else str(value)
    return text[:12] if len(text) == 64 else text  # of a hash


def _compares(run: Run, first: Run) -> tuple[Compares, tuple[str, ...]]:
    if run is first:
        return "first", ()
    if run.metrics.run_id == first.metrics.run_id:
        return "yes", (f"the same run as {first.name}",)
    if run.run is None or first.run is None:
        return "unknown", tuple(why for why in (run.missing, first.missing) if why is not None)
    found = differing(run.run.fingerprint, first.run.fingerprint)
    return ("no", found) if found else ("yes", ())


def _row(run: Run, compares: Compares, why: tuple[str, ...]) -> ComparedRun:
    measured, decision = run.run, run.decision
    if decision is not None and decision.run_id != run.metrics.run_id:
        decision = None  # of another run
    mark = None if measured is None else measured.fingerprint
    return ComparedRun(
        name=run.name,
        commit=run.commit,
        date=run.date,
        run_id=run.metrics.run_id,
        verdict=None if decision is None else decision.verdict,
        reason=None if decision is None else decision.reason,
        seed=None if measured is None else measured.seed,
        model_sha256=None if measured is None else measured.model_sha256,
        dataset_sha256=None if mark is None else mark.dataset_sha256,
        measured_on=None if mark is None else f"{mark.device}, threads: {mark.num_threads}",
        compares=compares,
        why=why,
        missing=run.missing,
    )


def _params(runs: Sequence[Run]) -> Iterator[ParamRow]:
    for key in dict.fromkeys(key for run in runs for key in run.params):
        values = tuple(run.params.get(key) for run in runs)
        if any(value != values[0] for value in values):
            yield ParamRow(key=key, values=values)


def _rows(runs: Sequence[Run], compares: Sequence[Compares]) -> Iterator[ComparedRow]:
    for part in PARTS:
        for score in _scores([run.metrics for run in runs], part):
            values = [run.metrics.get(part, score.name) for run in runs]
            numbers = [
                value.value if value is not None and how in ("first", "yes") else None
                for value, how in zip(values, compares, strict=True)
            ]
            best = best_of(score, numbers)
            cells = [
                ComparedCell(
                    value=value,
                    difference=_difference(score, part, run, runs[0]) if how == "yes" and value is not None else None,
                    best=best is not None and number == best and len(set(numbers) - {None}) > 1,
                )
                for run, how, value, number in zip(runs, compares, values, numbers, strict=True)
            ]
            yield ComparedRow(
                part=part,
                name=score.name,
                label=score.label,
                unit=score.unit,
                better=score.better,
                says=score.says,
                cells=tuple(cells),
            )


def _scores(metrics: Sequence[EvaluationMetrics], part: Part) -> list[Metric]:
    """The scores that one of the runs has on a part, in the order of tables."""
    known = {score.name: score for one in metrics for score in all_scores(part, measured_routes(one))}
    return [score for score in known.values() if any(one.get(part, score.name) is not None for one in metrics)]


def _difference(score: Metric, part: Part, run: Run, first: Run) -> TwoLevelEstimate | None:
    """To the first run, over the samples that both measured; None where they share too few, or it says nothing."""
    if run.run is None or first.run is None or run.run.run_id == first.run.run_id:
        return None
    of_others = _others_differ(run, first)
    if any(score.name.endswith((f"_{name}", f"{name}_gain")) for name in of_others):
        return None
    rows = [_measurements(one, part, score) for one in (run, first)]
    estimate = paired_difference(*rows, resamples=RESAMPLES)
    protocol = run.run.fingerprint.protocol
    least = int(protocol.get("min_n") or 0), int(protocol.get("min_products") or 0)
    if estimate is None or estimate.n < least[0] or estimate.num_products < least[1]:
        return None
    return estimate


def _others_differ(run: Run, first: Run) -> list[str]:
    """Contenders of the same name that are another model in the other run."""
    assert run.run is not None
    assert first.run is not None
    found = [UNTRAINED.name] if run.run.fingerprint.base_sha256 != first.run.fingerprint.base_sha256 else []
    return found + ([CHAMPION.name] if run.run.champion_sha256 != first.run.champion_sha256 else [])


def _measurements(run: Run, part: Part, score: Metric) -> list[Measurement]:
    found = []
    for sample in run.samples:
        value = sample.metrics.get(score.name)
        if sample.part == part and value is not None:
            weight = 1.0 if score.weight is None else score.weight(sample.metrics)
            found.append(Measurement(0, sample.product_id, sample.key, value, weight))
    return found
