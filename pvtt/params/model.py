"""The base model and the parts that condition it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pvtt.records.base import Record

Conditioning = Literal[
    "mask_channels",
    "template_frames",
    "reference_frames",
    "collage",
    "context_blocks",
    "product_tokens",
    "dual_encoder",
]
EncodedExtra = Literal["template", "context", "collage"]  # what is encoded only for the parts that read it

SAID_BY_CONTEXT = ("mask_channels", "template_frames", "reference_frames", "collage")


class ModelParams(Record):
    base: str = "models/wan-tiny"  # local folder in the Diffusers layout of Wan
    champion: str = "models/pvtt-tiny"  # folder of the model promoted last, of the same base; the base before any is
    conditioning: tuple[Conditioning, ...] = (
        "mask_channels",
        "reference_frames",
        "collage",
    )  # how it is told what to make
    num_product_tokens: int = Field(default=64, ge=1)  # tokens' parts: that a product's photos become
    encoder_layers: int = Field(default=1, ge=1)  # the same: layers of its encoder
    product_heads: int = Field(default=4, ge=1)  # the same: attention heads

    @model_validator(mode="after")
    def _conditioning_is_legal(self) -> ModelParams:
        names = self.conditioning
        if not names:
            raise ValueError("conditioning is empty: a model that is told nothing is its base")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"conditioning has {', '.join(twice)} more than once")
        # The others go together: where, what stood there and what is to stand there are three things.
        again = [name for name in names if name in SAID_BY_CONTEXT]
        if "context_blocks" in names and again:
            raise ValueError(
                f"context_blocks and {', '.join(again)} do not go together: VACE's context has the mask, the template "
                "and the photos already"
            )
        return self

    @property
    def encoded_extras(self) -> tuple[EncodedExtra, ...]:
        """What `encode` makes beside what every model reads."""
        read_by: dict[EncodedExtra, Conditioning] = {
            "template": "template_frames",
            "context": "context_blocks",
            "collage": "collage",
        }
        return tuple(extra for extra, name in read_by.items() if name in self.conditioning)
