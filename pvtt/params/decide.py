"""Targets of the decision matrix."""

from __future__ import annotations

from pydantic import Field

from pvtt.params.base import Fraction, Positive
from pvtt.records.base import Record


class DecideParams(Record):
    train_psnr: Positive = 25.0  # dB on training products, at least
    train_clip_i: Fraction = 0.8  # CLIP-I on training products, at least
    test_rating: float = Field(default=3.0, ge=1, le=5)  # mean human rating of test products, at least
    min_raters: int = Field(default=1, ge=1)  # with fewer raters the rating is not measured
    max_relative_flicker: Positive = 1.5  # flow-warp error over the ground truth's own, at most
    loss_window: Fraction = 0.2  # share of the history at each end that convergence is judged on
