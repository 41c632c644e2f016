"""The base model and the parts that condition it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record

Conditioning = Literal["mask_channels", "reference_frames", "product_tokens"]


class ModelParams(Record):
    base: str = "models/wan-tiny"  # local folder in the Diffusers layout of Wan
    champion: str = "models/pvtt-tiny"  # folder of the model promoted last, of the same base; the base before any is
    conditioning: tuple[Conditioning, ...] = ("mask_channels", "reference_frames")  # how it is told what to make
    num_product_tokens: int = Field(default=64, ge=1)  # `product_tokens`: that all photos of a product become
    encoder_layers: int = Field(default=1, ge=1)  # `product_tokens`: layers of its encoder
    product_heads: int = Field(default=4, ge=1)  # `product_tokens`: attention heads
