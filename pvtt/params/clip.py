"""What a clip is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pvtt.params.base import Fraction, Positive
from pvtt.records.base import Record


class ClipParams(Record):
    min_seconds: Positive = 3.0
    max_seconds: Positive = 10.0
    min_short_side: int = Field(default=720, ge=16)
    width: int = Field(default=720, ge=16, multiple_of=16)
    height: int = Field(default=480, ge=16, multiple_of=16)
    fps: Positive = 24.0
    detector: Literal["adaptive", "content"] = "adaptive"
    threshold: Positive = 3.0  # AdaptiveDetector's adaptive_threshold, or ContentDetector's threshold
    crf: int = Field(default=12, ge=0, le=51)  # of the H.264 clip
    max_failed_fraction: Fraction = 0.2

    @model_validator(mode="after")
    def _ordered(self) -> ClipParams:
        if self.min_seconds > self.max_seconds:
            raise ValueError(f"min_seconds {self.min_seconds} is above max_seconds {self.max_seconds}")
        return self
