"""What a base demands of the settings, as it was trained: told before anything is encoded or queued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pvtt.models.published import is_cogvideox_config

if TYPE_CHECKING:
    from pvtt.params.encode import EncodeParams

TEXT_TOKENS = 512  # of Wan's image-to-video model: diffusers takes what is before the last so many for the picture


class Demand(NamedTuple):
    """What is wrong, and the setting that would be right."""

    what: str
    change: str


def unmet_demands(config: Mapping[str, Any], encode: EncodeParams) -> Iterator[Demand]:
    """The settings that do not fit a base.

    Args:
        config: Of its transformer, as `config.json` has it.
        encode: How samples are encoded.
    """
    if is_cogvideox_config(config):
        kind, num_tokens = "a CogVideoX", int(config["max_text_seq_length"])
    elif config.get("image_dim") is not None:
        kind, num_tokens = "Wan's image-to-video model", TEXT_TOKENS
        if encode.image_features == "vae":
            yield Demand(
                f"{kind} reads the first photo's CLIP tokens, and encode.image_features is vae",
                "encode.image_features: clip, and encode.image_encoder to the base's folder",
            )
        if encode.mask.fill != 0:
            yield Demand(
                f"{kind} was trained with grey where it generates, and encode.mask.fill is {encode.mask.fill:g}",
                "encode.mask.fill: 0",
            )
    else:
        return
    if encode.text_tokens != num_tokens:
        yield Demand(
            f"{kind} was trained with texts of {num_tokens} tokens, and encode.text_tokens is {encode.text_tokens}",
            f"encode.text_tokens: {num_tokens}",
        )
