"""How the product is masked in a clip."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pvtt.params.base import Fraction
from pvtt.records.base import Record


class SegmentParams(Record):
    detector: Literal["u2netp", "grounding_dino"] = "u2netp"  # finds the product on key frames
    tracker: Literal["flow", "sam2"] = "flow"  # follows it between them
    detector_weights: str | None = None  # local folder; u2netp needs none
    tracker_weights: str | None = None  # local folder, for `sam2`
    text: str = "product."  # Grounding DINO's prompt; {product} in it stands for the nouns of title and category
    key_frame_every: int = Field(default=12, ge=1)  # frames between detections
    threshold: Fraction = 0.5  # soft mask value from which a pixel is product
    smooth_frames: int = Field(default=3, ge=1)  # length of the temporal median, odd
    min_component: Fraction = 0.02  # as a share of the mask's area; smaller pieces are dropped, smaller holes filled
    min_area: Fraction = 0.03  # mean share of the frame: below is no product
    max_area: Fraction = 0.85  # mean share of the frame: above is the background
    max_border: Fraction = 0.35  # share of the frame's border: above, the product is cut off, or it is the background
    max_products: int = Field(default=1, ge=1)  # clips with more on most key frames are turned away
    min_confidence: Fraction = 0.5  # least sign of confidence: a clip below it is turned away
    sure_confidence: Fraction = 0.8  # a clip below it is kept, and named for a person to look at
    max_failed_fraction: Fraction = 0.2  # the stage fails if more of the clips failed

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
