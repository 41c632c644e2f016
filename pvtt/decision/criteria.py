"""The criteria of the experiment document's section 8.1, each held against its target.

A target is compared with the measured value, as the document does; the interval is shown beside it. Two criteria ask
for more than a point: the loss must have fallen, and the photos must matter, with their whole 95 % interval. Where
training continues a trained model, whose loss had fallen before, it must not have risen with its whole interval.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from pvtt.params.decide import DecideParams
from pvtt.records.dataset import Split
from pvtt.records.decision import Comparison, Criterion, CriterionStatus, LossTrend, Measurements, RatingSummary
from pvtt.records.evaluation import MetricValue

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def judge(measurements: Measurements, params: DecideParams) -> tuple[Criterion, ...]:
    """All criteria in the document's order, and the guard `swap_gain` last."""
    return (
        _loss(measurements.loss),
        _metric("psnr", "train", "training PSNR (dB)", ">", params.train_psnr, measurements.train_psnr),
        _metric("clip_i", "train", "training CLIP-I", ">", params.train_clip_i, measurements.train_clip_i),
        _rating(measurements.test_rating, params.test_rating),
        _metric(
            "relative_flow_warp_error",
            "test",
            "flicker (flow-warp error / ground truth's)",
            "<=",
            params.max_relative_flicker,
            measurements.test_flow_warp_error,
        ),
        _metric(
            "swap_gain",
            "test",
            "photos matter (PSNR own − swapped photos, dB)",
            ">",
            0.0,
            measurements.test_swap_gain,
            bound="low",
        ),
    )


def _criterion(
    name: str,
    split: Split,
    label: str,
    comparison: Comparison,
    target: float,
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    bound: str = "value",
    status: CriterionStatus | None = None,
) -> Criterion:
    compared = {"value": value, "low": low, "high": high}[bound]
    if status is None:
        status = "not_measured"
        if compared is not None:  # a NaN compares false: fail
            status = "pass" if _COMPARE[comparison](compared, target) else "fail"
    return Criterion.model_validate(
        {
            "name": name,
            "split": split,
            "label": label,
            "comparison": comparison,
            "bound": bound,
            "target": target,
            "value": value,
            "low": low,
            "high": high,
            "status": status,
        }
    )


def _metric(
    name: str,
    split: Split,
    label: str,
    comparison: Comparison,
    target: float,
    metric: MetricValue | None,
    *,
    bound: str = "value",
) -> Criterion:
    if metric is None:
        return _criterion(name, split, label, comparison, target, None, None, None, bound=bound)
    status: CriterionStatus | None = "too_few" if metric.status == "too_few" else None
    if metric.status == "not_measured":
        status = "not_measured"
    return _criterion(
        name, split, label, comparison, target, metric.value, metric.low, metric.high, bound=bound, status=status
    )


def _loss(trend: LossTrend | None) -> Criterion:
    # A trained model's loss has fallen before: where training continues one, it may not rise.
    continued = trend is not None and trend.continued
    name, label = "loss", f"loss {'stays down' if continued else 'falls and stays down'} (end / start)"
    if trend is None:
        return _criterion(name, "train", label, "<", 1.0, None, None, None, bound="high", status="too_few")
    bad = trend.ratio is None or trend.rising
    return _criterion(
        name,
        "train",
        label,
        "<",
        1.0,
        trend.ratio,
        trend.low,
        trend.high,
        bound="low" if continued else "high",
        status="fail" if bad else None,
    )


def _rating(summary: RatingSummary | None, target: float) -> Criterion:
    label = "human rating of test videos (1–5)"
    if summary is None or summary.status == "not_measured":
        return _criterion("rating", "test", label, ">=", target, None, None, None)
    return _criterion("rating", "test", label, ">=", target, summary.value, summary.low, summary.high)
