"""What one sample is: length, size, photos, masks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pvtt.params.base import Fraction
from pvtt.records.base import Record


class MaskParams(Record):
    """The mask contract's knobs; the contract itself is saved in every checkpoint."""

    fill: float = Field(default=0.0, ge=-1, le=1)  # the hole's value; pixels are in [-1, 1]
    dilation: Fraction = 0.03  # growth of the mask, as a share of the frame's short side
    box_fraction: Fraction = 0.3  # share of training masks that become bounding boxes
    grid_fraction: Fraction = 0.5  # share of training masks rounded outwards to a grid of adaptive size
    shape_fraction: Fraction = 0.3  # share of training masks other than boxes that get random shapes at their border
    gap_fraction: Fraction = 0.0  # share of training masks with room for the outline of another category's product

    @model_validator(mode="after")
    def _fractions_fit(self) -> MaskParams:
        if self.box_fraction + self.grid_fraction > 1:
            raise ValueError(
                f"box_fraction {self.box_fraction} and grid_fraction {self.grid_fraction} exceed 1 together"
            )
        return self


class CropParams(Record):
    """The crop contract's knobs; the contract itself is saved in every checkpoint."""

    follow: bool = True  # crop a window around the product; false takes the whole frame
    fill: float = Field(default=0.45, gt=0, le=1)  # share of the window that the product's box covers where evaluated
    min_fill: float = Field(default=0.35, gt=0, le=1)  # the same in training, at least
    max_fill: float = Field(default=0.6, gt=0, le=1)  # the same in training, at most
    shift: Fraction = 0.6  # how far the product stands from the middle in training, as a share of the room there

    @model_validator(mode="after")
    def _range_is_one(self) -> CropParams:
        if self.min_fill > self.max_fill:
            raise ValueError(f"min_fill {self.min_fill} is above max_fill {self.max_fill}")
        return self


class PhotoAugmentParams(Record):
    """Changes of photos in variants after the first that leave the product as it is; 0 switches one off."""

    crop: Fraction = 0.0  # share of the photos that are seen nearer, farther or off the middle
    light: Fraction = 0.0  # share that are brighter or darker, or lit from a side
    perspective: Fraction = 0.0  # share that are seen a little from the side
    background: Fraction = 0.0  # share that stand before a colour instead of nothing


class EncodeParams(Record):
    num_frames: int = Field(default=49, ge=1)  # frames of a sample: 4n+1, as the VAE packs them
    frame_stride: int = Field(default=1, ge=1)  # source frames a sample frame
    width: int = Field(default=720, ge=16, multiple_of=16)  # pixels
    height: int = Field(default=480, ge=16, multiple_of=16)  # pixels
    photo_size: int = Field(default=224, ge=16, multiple_of=16)  # pixels a side of the photo that the networks see
    max_photos: int = Field(default=4, ge=1)  # photos of its product that a sample is given
    own_moment_distance: int = Field(default=4, ge=0, le=64)  # bits (pHash) up to which a photo is the clip's own frame
    image_features: Literal["vae", "clip", "clip_dino"] = "vae"  # what tokens are made of
    image_encoder: str | None = None  # local folder of Wan2.1-I2V-14B's CLIP ViT-H/14, for `clip` and `clip_dino`
    dino_encoder: str | None = None  # local folder of DINOv2 in transformers' layout, for `clip_dino`
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)  # of its draws, to be shared by trainings; null: `seed`
    variants: int = Field(default=1, ge=1)  # of each training clip: colour change, window and mask shape
    transfer: Fraction = 0.3  # share of the variants after the first that start from the sample's `template`
    colour_augment: bool = True  # the same colour change on video and photos, in variants after the first
    own_collage: Fraction = 0.0  # share of the variants after the first whose collage is cut out of the film itself
    point_tracks: int = Field(default=0, ge=0)  # points of the product tracked for `train.loss.point_patch`; 0: none
    preservation_clips: str | None = None  # local folder of videos without these products; `loss.foreign_preservation`
    text_tokens: int = Field(default=512, ge=1)  # as the base was trained with; shorter captions are padded
    dtype: Literal["float32", "bfloat16"] = "float32"  # of the frozen encoders' work and of the stored tensors
    crop: CropParams = CropParams()
    mask: MaskParams = MaskParams()
    photo_augment: PhotoAugmentParams = PhotoAugmentParams()
    max_failed_fraction: Fraction = 0.2  # the stage fails if more of the samples failed

    @model_validator(mode="after")
    def _legal_length(self) -> EncodeParams:
        if self.num_frames % 4 != 1:
            near = max(1, round((self.num_frames - 1) / 4) * 4 + 1)
            raise ValueError(f"num_frames {self.num_frames} is not 4n+1; the nearest legal length is {near}")
        return self
