"""The base model and the parts that condition it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record


class ModelParams(Record):
    base: str = "models/wan-tiny"  # local folder in the Diffusers layout of Wan
    injection: Literal["gated_cross_attention"] = "gated_cross_attention"  # how product tokens enter the transformer
    num_product_tokens: int = Field(default=64, ge=1)  # tokens that all photos of a product become
    encoder_layers: int = Field(default=1, ge=1)  # layers of the product encoder
    product_heads: int = Field(default=4, ge=1)  # attention heads of the product cross-attention
