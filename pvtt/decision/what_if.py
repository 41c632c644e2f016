"""The decision on measurements that one wonders about."""

from __future__ import annotations

from collections.abc import Mapping

from pvtt.errors import PvttError
from pvtt.records.decision import LossTrend, Measurements, RatingSummary
from pvtt.records.evaluation import MetricValue

_FIELDS = {
    "psnr": "train_psnr",
    "clip_i": "train_clip_i",
    "relative_flow_warp_error": "test_flow_warp_error",
    "swap_gain": "test_swap_gain",
    "paste_gain": "transfer_paste_gain",
    "untrained_gain": "transfer_untrained_gain",
}
NAMES = ("loss", "rating", *_FIELDS)


def with_values(measurements: Measurements, values: Mapping[str, float]) -> Measurements:
    """The measurements as if these criteria had these values, and intervals of no width.

    Args:
        measurements: What was measured.
        values: By the criteria's names, `NAMES`.

    Raises:
        PvttError: There is no such criterion.
    """
    changes: dict[str, object] = {}
    for name, value in values.items():
        if name == "loss":
            before = measurements.loss or LossTrend(ratio=value, low=value, high=value, num_steps=0)
            no_trend = {"first_non_finite_step": None, "rising": False, "still_falling": False}
            changes["loss"] = before.model_copy(update={"ratio": value, "low": value, "high": value, **no_trend})
        elif name == "rating":
            changes["test_rating"] = RatingSummary(
                value=value,
                low=value,
                high=value,
                num_videos=0,
                num_videos_to_rate=0,
                num_raters=0,
                num_ratings=0,
                agreement=None,
                status="measured",
            )
        elif name in _FIELDS:
            changes[_FIELDS[name]] = MetricValue(value=value, low=value, high=value, n=0, status="measured")
        else:
            raise PvttError(f"there is no criterion {name}", f"the criteria are {', '.join(NAMES)}")
    return measurements.model_copy(update=changes)
