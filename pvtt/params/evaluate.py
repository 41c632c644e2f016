"""What is generated, how it is measured, and the targets."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from pvtt.params.base import Fraction, Positive
from pvtt.records.base import Record
from pvtt.records.parts import PARTS, Part


class TargetParams(Record):
    """What the metrics are held against."""

    psnr: Positive = 25.0  # dB, at least
    ssim: Fraction = 0.85  # at least
    lpips: Positive = 0.15  # at most
    clip_i: Fraction = 0.8  # at least
    dino: Fraction = 0.7  # at least
    fvd: Positive = 300.0  # at most


RouteName = Literal["first_frame", "points", "two_branch", "ip_adapter", "vace", "external"]


class RoutesParams(Record):
    """Other ways to do it: `docs/routes.md`."""

    run: tuple[RouteName, ...] = ()  # measured beside the model; what lacks its folder reads not measured
    first_frame: str | None = None  # local folder of a Wan image-to-video pipeline; null: optical flow
    two_branch: str | None = None  # local folder of a model trained on moving noise; null: the evaluated model
    ip_adapter: str | None = None  # local folder of a model trained with mask_channels and product_tokens
    vace: str | None = None  # local folder of a stock Wan2.1-VACE; null: the base, where it is one
    external: tuple[str, ...] = ()  # folders of films that were made elsewhere, each a contender of its name
    guidance: float = Field(default=5.0, ge=0)  # over the caption, of the pipelines that are used as they come

    @model_validator(mode="after")
    def _each_once(self) -> RoutesParams:
        twice = sorted({name for name in self.run if self.run.count(name) > 1})
        if twice:
            raise ValueError(f"run has {', '.join(twice)} more than once")
        return self


VbenchDimension = Literal[
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "temporal_flickering",
    "imaging_quality",
    "aesthetic_quality",
]


class VbenchParams(Record):
    """VBench, in an environment of its own."""

    python: str | None = None  # the Python of an environment with VBench 0.1.5 and a GPU; null: not measured
    dimensions: tuple[VbenchDimension, ...] = get_args(VbenchDimension)  # what it measures

    @model_validator(mode="after")
    def _each_once(self) -> VbenchParams:
        if len(set(self.dimensions)) < len(self.dimensions):
            raise ValueError("dimensions has one more than once")
        return self


class EvaluateParams(Record):
    num_steps: int = Field(default=50, ge=1)  # sampling steps
    seeds: int = Field(default=3, ge=1)  # generations a sample, from other noise each; how much they differ is reported
    batch_size: int = Field(default=4, ge=1)  # videos generated at once
    product_guidance: float = Field(default=3.0, ge=0)  # 1 takes the photos as they are, more exaggerates them
    text_guidance: float = Field(default=1.0, ge=0)  # the same for the caption
    strength: float = Field(default=1.0, gt=0, le=1)  # noise to start from; below 1 a pasted photo has so much noise
    place_strength: float = Field(default=0.0, ge=0)  # how firmly the product is drawn into the hole's box; 0: not
    parts: tuple[Part, ...] = Field(default=PARTS, min_length=1)  # that are measured; the others read not measured
    max_clips_per_split: int = Field(default=64, ge=1)  # one of every product before a second of any
    max_transfers: int = Field(default=8, ge=0)  # samples of the track transfer: one into every product before a second
    min_n: int = Field(default=4, ge=1)  # with fewer samples a metric is too_few
    min_products: int = Field(default=5, ge=2)  # the same with fewer products
    fvd_min_n: int = Field(default=64, ge=2)  # the same for FVD, which needs many
    bootstrap: int = Field(default=2000, ge=100)  # resamples behind an interval
    clip_weights: str | None = None  # local folder of the network; null: not measured
    dino_weights: str | None = None  # as `clip_weights`
    fvd_weights: str | None = None  # as `clip_weights`
    lpips_weights: str | None = None  # as `clip_weights`
    read_text: bool = False  # read the lettering on products (extra leftovers): about a second a text on a CPU
    save_videos: int = Field(default=8, ge=0)  # videos a split kept for the report and for rating
    targets: TargetParams = TargetParams()
    routes: RoutesParams = RoutesParams()
    vbench: VbenchParams = VbenchParams()

    @field_validator("parts")
    @classmethod
    def _each_part_once(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        twice = sorted({part for part in parts if parts.count(part) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} more than once")
        if "transfer" in parts and "test" not in parts:
            raise ValueError("transfer without test, among whose products a transfer's is sought")
        return parts

    @model_validator(mode="after")
    def _fvd_can_be_measured(self) -> EvaluateParams:
        if self.fvd_weights is not None and self.fvd_min_n > self.max_clips_per_split:
            raise ValueError(
                f"fvd_min_n {self.fvd_min_n} is never reached with max_clips_per_split {self.max_clips_per_split}: "
                "evaluate more clips, or ask FVD for fewer"
            )
        return self
