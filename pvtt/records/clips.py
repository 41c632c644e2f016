"""Clips, masks and product photos as prepared for training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record
from pvtt.records.catalog import ClipId, ProductId, Sha256


class ClipRecord(Record):
    """The base of all records about one clip: of which product, and its number among that product's clips."""

    schema_version: int
    product_id: ProductId
    clip_id: ClipId

    @property
    def key(self) -> str:
        """`{product_id}_{clip_id}`, the seeds' file stem."""
        return f"{self.product_id}_{self.clip_id}"


class Clip(ClipRecord):
    """One shot of a source video, resampled to the profile's size and frame rate.

    `path` is relative to the clip stage's output directory.
    """

    schema_version: Literal[1] = 1
    category: str
    caption: str
    path: str
    sha256: Sha256
    source_path: str  # relative to data/
    source_sha256: Sha256
    source_start_s: float = Field(ge=0)
    source_end_s: float = Field(gt=0)
    num_frames: int = Field(gt=0)
    fps: float = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class Confidence(Record):
    """How far a clip's mask can be trusted: signs, each from 0, surely wrong, to 1, nothing against it."""

    stability: float = Field(ge=0, le=1)  # each mask is the one before, moved
    agreement: float = Field(ge=0, le=1)  # masks of two key frames, carried to one frame, are the same
    area: float = Field(ge=0, le=1)  # the mask neither vanishes nor bursts
    border: float = Field(ge=0, le=1)  # nothing reaches in from outside, nothing comes or goes
    objects: float = Field(ge=0, le=1)  # key frames show one product
    people: float = Field(ge=0, le=1)  # no hand, no person

    @property
    def signs(self) -> dict[str, float]:
        """All of them, by name."""
        return self.model_dump()

    @property
    def score(self) -> float:
        """The least of them."""
        return min(self.signs.values())


class Mask(ClipRecord):
    """The product's mask over one clip: FFV1 gray8 in Matroska, 255 = product, same frames as the clip.

    `path` is relative to the segment stage's output directory.
    """

    schema_version: Literal[1] = 1
    path: str
    sha256: Sha256
    clip_sha256: Sha256
    segmenter: str  # name and version, for example u2netp-dis-1
    num_frames: int = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    area_min: float = Field(ge=0, le=1)  # fraction of the frame, over the clip's frames
    area_mean: float = Field(ge=0, le=1)
    area_max: float = Field(ge=0, le=1)
    border_fraction: float = Field(ge=0, le=1)  # mask pixels on the frame's border / border pixels, mean
    confidence: Confidence | None = None  # None: made by hand or by an older version
    doubts: tuple[str, ...] = ()  # the signs for which a person should look at it


class Photo(Record):
    """One product photo with its background removed: RGBA PNG, 512×512, letterboxed.

    `path` is relative to the photos stage's output directory.
    """

    path: str
    sha256: Sha256
    source_path: str  # relative to data/
    source_sha256: Sha256
    perceptual_hash: str  # 64-bit pHash, hexadecimal
    area: float = Field(ge=0, le=1)  # alpha coverage
    notes: tuple[str, ...] = ()  # what of the file could not be followed, for example broken_profile
    doubts: tuple[str, ...] = ()  # why a person should look at the cut-out, for example fragments


class PhotoSet(Record):
    """A product's photos, in a stable order."""

    schema_version: Literal[1] = 1
    product_id: ProductId
    category: str
    photos: tuple[Photo, ...]
