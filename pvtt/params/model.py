"""The base model and the parts that condition it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record


class ModelParams(Record):
    base: str = "models/wan-tiny"  # a Diffusers Wan folder
    injection: Literal["gated_cross_attention"] = "gated_cross_attention"
    num_product_tokens: int = Field(default=64, ge=1)
    encoder_layers: int = Field(default=1, ge=1)
    product_heads: int = Field(default=4, ge=1)
