"""How product photos are prepared."""

from __future__ import annotations

from pydantic import Field

from pvtt.params.base import Fraction
from pvtt.records.base import Record


class PhotosParams(Record):
    size: int = Field(default=512, ge=32)
    min_photos: int = Field(default=3, ge=1)
    max_photos: int = Field(default=5, ge=1)
    duplicate_distance: int = Field(default=2, ge=0, le=64)  # pHash Hamming distance at or below which two are one
    min_area: Fraction = 0.01
    max_area: Fraction = 0.97
    margin: Fraction = 0.06  # around the product, of the size
    max_failed_fraction: Fraction = 0.2
