"""The criteria of the experiment document's section 8.1, each held against its target.

A target is compared with the measured value, as the document does; the interval is shown beside it. Some criteria ask
for more than a point: the loss must have fallen, the photos must matter, and on transfers the model must beat a pasted
photo and its own base without training, with their whole 95 % interval. Where training continues a trained model, whose
loss had fallen before, it must not have risen with its whole interval. People's rating is a mean over few videos by few
people: the whole interval must reach the target.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from pvtt.params.decide import DecideParams
from pvtt.records.decision import Comparison, Criterion, CriterionStatus, LossTrend, Measurements, RatingSummary
from pvtt.records.evaluation import MetricValue
from pvtt.records.parts import Part

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


# Targets, and whether a lower one is easier.
EASIER_BELOW = {
    "train_psnr": True,
    "train_clip_i": True,
    "test_rating": True,
    "min_raters": True,
    "max_relative_flicker": False,
}


def judge(measurements: Measurements, params: DecideParams) -> tuple[Criterion, ...]:
    """All criteria in the document's order, and the guards against photos that do not matter last."""
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
        *(
            _metric(f"{other}_gain", "transfer", f"better than {label} (product PSNR, dB)", ">", 0.0, gain, bound="low")
            for other, label, gain in (
                ("paste", "a pasted photo", measurements.transfer_paste_gain),
                ("untrained", "its base, untrained", measurements.transfer_untrained_gain),
            )
        ),
    )


def lowered_targets(params: DecideParams) -> tuple[str, ...]:
    """The targets that are easier to reach than the experiment document's, which are the params' defaults."""
    found = []
    for name, is_least in EASIER_BELOW.items():
        asked, set_to = DecideParams.model_fields[name].default, getattr(params, name)
        if set_to < asked if is_least else set_to > asked:
            found.append(f"decide.{name} is {set_to:g}, the experiment document asks {asked:g}")
    return tuple(found)


def _criterion(
    name: str,
    part: Part,
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
            "part": part,
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
    part: Part,
    label: str,
    comparison: Comparison,
    target: float,
    metric: MetricValue | None,
    *,
    bound: str = "value",
) -> Criterion:
    if metric is None:
        return _criterion(name, part, label, comparison, target, None, None, None, bound=bound)
    status: CriterionStatus | None = "too_few" if metric.status == "too_few" else None
    if metric.status == "not_measured":
        status = "not_measured"
    return _criterion(
        name, part, label, comparison, target, metric.value, metric.low, metric.high, bound=bound, status=status
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
    label = "human rating of test products' videos (1–5)"
    if summary is None or summary.status != "measured":
        status: CriterionStatus = "too_few" if summary is not None and summary.status == "too_few" else "not_measured"
        return _criterion("rating", "test", label, ">=", target, None, None, None, bound="low", status=status)
    return _criterion("rating", "test", label, ">=", target, summary.value, summary.low, summary.high, bound="low")
