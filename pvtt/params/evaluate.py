"""What is generated, how it is measured, and the targets."""

from __future__ import annotations

from pydantic import Field

from pvtt.params.base import Fraction, Positive
from pvtt.records.base import Record


class TargetParams(Record):
    """Targets of the experiment document's section 6."""

    psnr: Positive = 25.0
    ssim: Fraction = 0.85
    lpips: Positive = 0.15
    clip_i: Fraction = 0.8
    dino: Fraction = 0.7
    fvd: Positive = 300.0


class EvaluateParams(Record):
    num_steps: int = Field(default=50, ge=1)
    batch_size: int = Field(default=4, ge=1)  # videos generated at once
    product_guidance: float = Field(default=3.0, ge=0)
    text_guidance: float = Field(default=1.0, ge=0)
    max_clips_per_split: int = Field(default=64, ge=1)
    min_n: int = Field(default=4, ge=1)  # fewer samples than this: too_few
    fvd_min_n: int = Field(default=128, ge=2)  # the same for FVD, which needs many
    bootstrap: int = Field(default=2000, ge=100)
    clip_weights: str | None = None  # local folders; missing: not measured
    dino_weights: str | None = None
    fvd_weights: str | None = None
    lpips_weights: str | None = None
    save_videos: int = Field(default=8, ge=0)  # a split, for the report and for rating
    targets: TargetParams = TargetParams()
