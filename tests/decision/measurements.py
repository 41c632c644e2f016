"""Builders of measurements for the decision's tests."""

from __future__ import annotations

from pathlib import Path

from pvtt.params.file import Params, load_params
from pvtt.records.decision import LossTrend, Measurements, RatingSummary, ValidationTrend
from pvtt.records.evaluation import MetricStatus, MetricValue

ROOT = Path(__file__).resolve().parents[2]


def default_params() -> Params:
    return load_params(ROOT / "params.yaml")


def metric(value: float | None, spread: float = 0.1, status: MetricStatus = "measured") -> MetricValue:
    if value is None:
        return MetricValue(value=None, low=None, high=None, n=0, status=status)
    return MetricValue(value=value, low=value - spread, high=value + spread, n=12, status=status)


def falling_loss(still_falling: bool = False) -> LossTrend:
    return LossTrend(ratio=0.5, low=0.4, high=0.6, num_steps=800, still_falling=still_falling)


def rising_loss() -> LossTrend:
    return LossTrend(ratio=0.9, low=0.85, high=0.95, num_steps=800, rising=True)


def rising_validation(best_step: int = 20, last_step: int = 26) -> ValidationTrend:
    return ValidationTrend(best_step=best_step, best=0.2, last_step=last_step, last=0.25, rising=True)


def rating(value: float | None) -> RatingSummary:
    return RatingSummary(
        value=value,
        low=None if value is None else value - 0.4,
        high=None if value is None else value + 0.4,
        num_videos=0 if value is None else 6,
        num_videos_to_rate=6,
        num_raters=0 if value is None else 2,
        num_ratings=0 if value is None else 12,
        agreement=None if value is None else 0.7,
        status="not_measured" if value is None else "measured",
    )


def all_good() -> Measurements:
    """Every criterion measured and passed."""
    return Measurements(
        loss=falling_loss(),
        train_psnr=metric(27.0),
        train_clip_i=metric(0.85, 0.01),
        test_rating=rating(3.8),
        test_flow_warp_error=metric(1.1),
        test_swap_gain=metric(1.5),
        transfer_paste_gain=metric(0.6),
        transfer_untrained_gain=metric(2.0),
    )


def with_changes(**changes: object) -> Measurements:
    """`all_good`, with some measurements replaced."""
    return all_good().model_copy(update=changes)
