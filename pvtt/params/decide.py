"""Targets of the decision matrix."""

from __future__ import annotations

from pydantic import Field

from pvtt.params.base import Fraction, Positive
from pvtt.records.base import Record


class DecideParams(Record):
    """Targets of the seeds' sections 6 and 8.1."""

    train_psnr: Positive = 25.0
    train_clip_i: Fraction = 0.8
    test_rating: float = Field(default=3.0, ge=1, le=5)
    min_raters: int = Field(default=1, ge=1)
    max_relative_flicker: Positive = 1.5  # flow-warp error over the ground truth's own
    loss_window: Fraction = 0.2  # of the history at each end that convergence is judged on
