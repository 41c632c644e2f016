"""How product photos are prepared."""

from __future__ import annotations

from pydantic import Field

from pvtt.params.base import Fraction
from pvtt.records.base import Record


class PhotosParams(Record):
    size: int = Field(default=512, ge=32)  # pixels a side
    min_photos: int = Field(default=3, ge=0)  # a product with fewer is turned away; 0: its other clips may stand in
    max_photos: int = Field(default=5, ge=1)  # further photos are left out
    duplicate_distance: int = Field(default=2, ge=0, le=64)  # photos this alike (pHash) are one
    min_area: Fraction = 0.01  # least share of the photo that the product covers: below is no product
    max_area: Fraction = 0.97  # most: above, the background was not removed
    margin: Fraction = 0.06  # around the product, as a share of the size
    max_failed_fraction: Fraction = 0.2  # the stage fails if more of the products failed
