"""The tables of one run as a paper prints them: the model on each part, and the contenders beside one another."""

from __future__ import annotations

from collections.abc import Sequence

from pvtt.decision.text import format_interval, format_number
from pvtt.evaluation.contenders.all import contenders, measured_routes
from pvtt.evaluation.contenders.ceiling import Ceiling
from pvtt.evaluation.contenders.contender import Contender
from pvtt.evaluation.contenders.model import MODEL
from pvtt.evaluation.metrics.all import METRICS
from pvtt.evaluation.metrics.metric import Metric
from pvtt.evaluation.scores import all_scores, of_contender
from pvtt.records.evaluation import EvaluationMetrics, MetricValue
from pvtt.records.parts import PARTS, Part
from pvtt.report.grid import NOTHING, Cell, Grid, Line

NO_RIVAL = (Ceiling().name,)  # what no contender can pass: never the best
WHY = {
    "not_measured": "not measured (its network is missing, or it is not defined there)",
    "too_few": "too few samples",
}
HELD_OUT: tuple[Part, ...] = ("test", "transfer")


def paper_tables(metrics: EvaluationMetrics) -> tuple[Grid, ...]:
    """The model on every part, then all contenders on test and transfers, as far as there are such samples."""
    parts = [part for part in HELD_OUT if metrics.of_part(part)]
    return (_of_the_model(metrics), *(_of_contenders(metrics, part) for part in parts))


def title_of(metric: Metric) -> str:
    """`product PSNR, dB ↑`."""
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{metric.label}{unit} {metric.better}".strip()


def shown(value: MetricValue, with_n: bool = True) -> str:
    """`13.5 [12.1, 14.9], n = 16`; a dash where there is no number."""
    if value.value is None:
        return NOTHING.text
    n = f", n = {value.n}" if with_n else ""
    return f"{format_number(value.value)} {format_interval(value.low, value.high)}{n}"


def missing_note(values: Sequence[tuple[str, MetricValue]]) -> str:
    """Which metrics have no number, and why; empty where each has one."""
    reasons = []
    for status, why in WHY.items():
        names = dict.fromkeys(name for name, value in values if value.value is None and value.status == status)
        reasons += [f"{', '.join(names)}: {why}"] if names else []
    return f"A dash: {'; '.join(reasons)}." if reasons else ""


def best_of(metric: Metric, values: Sequence[float | None]) -> float | None:
    """The best of these numbers; None where the metric has no direction, or fewer than two have one."""
    there = [value for value in values if value is not None]
    if not metric.better or len(there) < 2:
        return None
    return max(there) if metric.better == "↑" else min(there)


def _of_the_model(metrics: EvaluationMetrics) -> Grid:
    own = {metric.name for metric in METRICS}
    scores = [
        score
        for score in all_scores(routes=measured_routes(metrics))
        if score.name in own or score.difference is not None
    ]
    found = {score.name: [metrics.get(part, score.name) for part in PARTS] for score in scores}
    rows = [score for score in scores if any(value is not None for value in found[score.name])]
    missing = [(score.label, value) for score in rows for value in found[score.name] if value is not None]
    unmeasured = [f"{part}: {why}." for part, why in metrics.unmeasured.items()]
    note = (
        "Means over samples with the 95 % interval of a bootstrap over products, and the number of samples. ↑ higher "
        "is better, ↓ lower is better."
    )
    return Grid(
        title=f"The model of run {metrics.run_id}",
        note=" ".join(filter(None, [note, missing_note(missing), *unmeasured])),
        head=("metric", *PARTS),
        lines=tuple(
            Line(title_of(score), tuple(NOTHING if one is None else Cell(shown(one)) for one in found[score.name]))
            for score in rows
        ),
        key=f"pvtt-{metrics.run_id}-model",
    )


def _of_contenders(metrics: EvaluationMetrics, part: Part) -> Grid:
    track = "transfer" if part == "transfer" else "reconstruct"
    columns = [one for one in METRICS if one.of_contenders and one.of_track in (None, track)]
    everyone = contenders(measured_routes(metrics))
    found = {one.name: [metrics.get(part, _name(score, one)) for score in columns] for one in everyone}
    rows = [one for one in everyone if any(value is not None for value in found[one.name])]
    best = [
        best_of(score, [_number(found[one.name][place]) for one in rows if one.name not in NO_RIVAL])
        if score.ranks
        else None  # nothing is as steady as a hole of one colour
        for place, score in enumerate(columns)
    ]
    lines = []
    for one in rows:
        cells = [
            NOTHING
            if value is None
            else Cell(
                shown(value, with_n=False),
                value.value is not None and value.value == best[place] and one.name not in NO_RIVAL,
            )
            for place, value in enumerate(found[one.name])
        ]
        lines.append(Line("this model" if one.name == MODEL.name else one.label, tuple(cells)))
    counts = sorted({value.n for values in found.values() for value in values if value is not None and value.n})
    missing = [
        (score.label, value)
        for one in rows
        for score, value in zip(columns, found[one.name], strict=True)
        if value is not None
    ]
    note = (
        f"Means over samples of the part {part} with the 95 % interval of a bootstrap over products, n = "
        f"{' to '.join(map(str, dict.fromkeys([counts[0], counts[-1]])))}. "
        if counts
        else ""
    ) + "Bold: the best, the ceiling aside, of a column that ranks contenders."
    return Grid(
        title=f"Contenders on {part}, run {metrics.run_id}",
        note=" ".join(filter(None, [note, missing_note(missing)])),
        head=("contender", *map(title_of, columns)),
        lines=tuple(lines),
        key=f"pvtt-{metrics.run_id}-{part}",
    )


def _name(metric: Metric, contender: Contender) -> str:
    return metric.name if contender.name == MODEL.name else of_contender(metric, contender).name


def _number(value: MetricValue | None) -> float | None:
    return None if value is None else value.value
