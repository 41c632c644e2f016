"""Which other contenders beat the model, by which metrics, and on which part."""

from __future__ import annotations

from dataclasses import dataclass

from pvtt.evaluation.contenders.all import measured_routes, others
from pvtt.evaluation.contenders.contender import Contender
from pvtt.evaluation.metrics.all import METRICS
from pvtt.evaluation.metrics.metric import Metric
from pvtt.evaluation.scores import of_contender
from pvtt.records.evaluation import EvaluationMetrics
from pvtt.records.parts import PARTS, Part
from pvtt.stats.digits import apart


@dataclass(frozen=True)
class Defeat:
    """One metric by which a contender beats the model on a part: the mean of each."""

    part: Part
    contender: Contender
    metric: Metric
    model: float
    other: float


def defeats(metrics: EvaluationMetrics) -> tuple[Defeat, ...]:
    """All of them, by means. Where either was not measured there is none."""
    found = []
    for part in PARTS:
        for contender in (one for one in others(measured_routes(metrics)) if not one.is_bound):
            for metric in METRICS:
                model = metrics.get(part, metric.name)
                other = metrics.get(part, of_contender(metric, contender).name) if metric.ranks else None
                if model is None or other is None or model.value is None or other.value is None:
                    continue
                if other.value < model.value if metric.better == "↓" else other.value > model.value:
                    found.append(Defeat(part, contender, metric, model.value, other.value))
    return tuple(found)


def in_words(found: tuple[Defeat, ...]) -> tuple[str, ...]:
    """One sentence for each contender that beats the model on a part, with the figures of both."""
    by_pair: dict[tuple[Part, str], list[Defeat]] = {}
    for defeat in found:
        by_pair.setdefault((defeat.part, defeat.contender.label), []).append(defeat)
    return tuple(
        f"On {_name(part)}, {label} beats the model: {'; '.join(_figures(defeat) for defeat in of_pair)}."
        for (part, label), of_pair in by_pair.items()
    )


def _name(part: Part) -> str:
    return "transfers" if part == "transfer" else part


def _figures(defeat: Defeat) -> str:
    unit = f" {defeat.metric.unit}" if defeat.metric.unit == "dB" else ""
    other, model = apart(defeat.other, defeat.model)
    return f"{defeat.metric.label} {other}{unit} against {model}{unit}"
