"""What a clip is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pvtt.params.base import Fraction, Positive
from pvtt.records.base import Record


class ClipParams(Record):
    min_seconds: Positive = 3.0  # shorter shots are turned away
    max_seconds: Positive = 10.0  # longer shots are trimmed to this
    min_short_side: int = Field(default=720, ge=16)  # pixels; smaller videos are turned away
    width: int = Field(default=720, ge=16, multiple_of=16)  # pixels
    height: int = Field(default=480, ge=16, multiple_of=16)  # pixels
    fps: Positive = 24.0  # a clip's frames a second
    detector: Literal["adaptive", "content"] = "adaptive"  # PySceneDetect's detector of cuts
    threshold: Positive = 3.0  # AdaptiveDetector's adaptive_threshold, or ContentDetector's threshold
    crf: int = Field(default=12, ge=0, le=51)  # quality of the H.264 clip, lower is better
    max_failed_fraction: Fraction = 0.2  # the stage fails if more of the videos failed

    @model_validator(mode="after")
    def _ordered(self) -> ClipParams:
        if self.min_seconds > self.max_seconds:
            raise ValueError(f"min_seconds {self.min_seconds} is above max_seconds {self.max_seconds}")
        return self
