"""The report's first screen: the verdict, why, and what was evaluated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from pvtt.decision.text import LOWERED
from pvtt.evaluation.contenders.all import measured_routes, others
from pvtt.records.decision import CriterionStatus
from pvtt.records.evaluation import EvaluationMetrics
from pvtt.records.parts import PARTS, Part
from pvtt.report.collect import ReportInputs
from pvtt.report.sections import VERDICTS

Facts = Sequence[tuple[str, str]]  # name and value


@dataclass(frozen=True)
class HeaderSection:
    """Verdict, why, and what was evaluated, as (name, value) facts."""

    verdict: str
    tally: tuple[tuple[CriterionStatus, int], ...]  # how many criteria have each status; those of none are left out
    reason: str
    beaten_by: tuple[str, ...]  # other contenders, a sentence each
    lowered_targets: tuple[str, ...]  # those easier than the experiment document's, a sentence each
    facts: tuple[tuple[str, str], ...]
    is_here: bool  # with what another clone would have otherwise; not so on the page that DVC keeps


def header(inputs: ReportInputs, here: Facts = ()) -> HeaderSection:
    """Verdict, why, and what was evaluated.

    Args:
        inputs: Everything that the report shows.
        here: What is so in this clone alone, such as times.
    """
    counts = (f"{split} {products} ({clips})" for split, (products, clips) in inputs.counts.items())
    mark = inputs.run.fingerprint
    counted = Counter(one.status for one in inputs.decision.criteria)
    generations = int(mark.protocol.get("seeds") or 1)
    return HeaderSection(
        verdict=VERDICTS[inputs.decision.verdict],
        tally=tuple((status, counted[status]) for status in get_args(CriterionStatus) if counted[status]),
        reason=inputs.decision.reason.replace("<=", "≤").replace(">=", "≥"),  # as in the table of criteria
        beaten_by=inputs.decision.beaten_by,
        lowered_targets=tuple(f"{LOWERED}: {target}." for target in inputs.decision.lowered_targets),
        facts=(
            ("run", f"{inputs.decision.run_id}, profile {inputs.params.profile}"),
            ("data", mark.dataset_sha256[:12]),
            *here,
            ("against the champion", _against_champion(inputs)),
            ("contenders", _contenders(inputs.metrics)),
            ("products (clips)", " · ".join(counts)),
            ("model", f"{inputs.run.model} ({inputs.run.model_sha256[:12]})"),
            ("seeds", f"{inputs.run.seed}; {generations} generation{'s' if generations > 1 else ''} a sample"),
            ("evaluated on", f"{mark.device}, threads: {mark.num_threads}"),
            ("references", _references(inputs)),
        ),
        is_here=bool(here),
    )


def measured_contenders(metrics: EvaluationMetrics) -> tuple[str, ...]:
    """The contenders beside the model that the run measured somewhere, in the order of tables."""
    named = others(measured_routes(metrics))
    return tuple(one.label for one in named if any(_is_measured(metrics, part, one.gain) for part in PARTS))


def _is_measured(metrics: EvaluationMetrics, part: Part, name: str) -> bool:
    value = metrics.get(part, name)
    return value is not None and value.value is not None


def _contenders(metrics: EvaluationMetrics) -> str:
    names = measured_contenders(metrics)
    return f"{len(names)}: {', '.join(names)}" if names else "none was measured"


def _against_champion(inputs: ReportInputs) -> str:
    """What training has changed in the model that it continued."""
    if inputs.run.champion_sha256 is None:
        return "none: training started from the base"
    parts: tuple[Part, ...] = ("test", "transfer")
    gains = {part: inputs.metrics.get(part, "champion_gain") for part in parts}
    shown = [
        f"{part} {gain.value:+.2g} dB [{gain.low:+.2g}, {gain.high:+.2g}]"  # 0.00 would not say on which side of 0
        for part, gain in gains.items()
        if gain is not None and gain.value is not None and gain.low is not None and gain.high is not None
    ]
    return " · ".join(shown) or "not measured"


def _references(inputs: ReportInputs) -> str:
    """What samples were given of their products."""
    by_photos = sum(not sample.reference_clips for sample in inputs.encoded)
    own_moments = sum(len(sample.own_moments) for sample in inputs.encoded)
    refused = sum((reject.stage, reject.reason) == ("encode", "no_reference") for reject in inputs.rejects)
    return (
        f"{by_photos} samples by photos, {len(inputs.encoded) - by_photos} by other clips, {refused} without · "
        f"{own_moments} photos of a clip's own moment left out"
    )
