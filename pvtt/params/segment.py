"""How the product is masked in a clip."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pvtt.params.base import Fraction
from pvtt.records.base import Record


class SegmentParams(Record):
    detector: Literal["u2netp", "grounding_dino"] = "u2netp"
    tracker: Literal["flow", "sam2"] = "flow"
    detector_weights: str | None = None  # local folder; u2netp needs none
    tracker_weights: str | None = None
    text: str = "product."  # Grounding DINO's prompt
    key_frame_every: int = Field(default=12, ge=1)  # frames between detections
    threshold: Fraction = 0.5
    smooth_frames: int = Field(default=3, ge=1)  # odd; temporal median
    min_component: Fraction = 0.02  # of the mask's area; smaller pieces are dropped, smaller holes filled
    min_area: Fraction = 0.03  # of the frame, mean over the clip: below is no product
    max_area: Fraction = 0.85
    max_border: Fraction = 0.35  # of the frame's border covered: the product is cut off, or it is the background
    max_products: int = Field(default=1, ge=1)
    max_failed_fraction: Fraction = 0.2

    @model_validator(mode="after")
    def _fits_together(self) -> SegmentParams:
        if self.smooth_frames % 2 == 0:
            raise ValueError(f"smooth_frames {self.smooth_frames} is even; a median needs an odd number")
        if self.detector == "grounding_dino" and self.tracker != "sam2":
            raise ValueError("detector grounding_dino finds boxes, which only tracker sam2 turns into masks")
        if self.detector == "grounding_dino" and self.detector_weights is None:
            raise ValueError("detector grounding_dino needs detector_weights, a local folder")
        if self.tracker == "sam2" and self.tracker_weights is None:
            raise ValueError("tracker sam2 needs tracker_weights, a local folder")
        return self
