"""Truths of transfers: shots that were filmed again with another product in their place.

A folder of them has a `TransferTruth` a line in `TRUTHS_FILE`, and the films and masks beside it. Only rendered data
can have them: the sample shop's are in `pvtt/builtin/shop/truths`, apart from what the shop serves. Videos are named by
their content, so the truths belong to their products whatever a crawl calls these.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record
from pvtt.records.catalog import Sha256

TRUTHS_FILE = "transfers.jsonl"


class TransferTruth(Record):
    """What a shot of one product's video becomes with another product. Paths are relative to the file's folder."""

    schema_version: Literal[1] = 1
    template_video_sha256: Sha256  # the video with the shot
    template_start_s: float = Field(ge=0)  # where in it the shot begins
    product_video_sha256: Sha256  # a video of the other product, which says who that is
    num_frames: int = Field(gt=0)
    fps: float = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    path: str  # the film: frame by frame the shot's
    sha256: Sha256
    mask_path: str  # where the other product is in it, exactly
    mask_sha256: Sha256
    template_mask_path: str  # where the template's product is in the shot, exactly
    template_mask_sha256: Sha256
