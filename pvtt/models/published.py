"""Shapes of published networks: what nothing has to be loaded for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

HEAD_DIM = 128  # of all of Wan's transformers
# Wan2.1-T2V's transformers, as in their `config.json`, by the profile that trains them.
WAN_T2V: dict[str, dict[str, int]] = {
    "poc": {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30},
    "prod": {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40},
}
CLIP_TOKENS = (257, 1280)  # of a photo and their width: CLIP ViT-H/14
DINO_TOKENS = (257, 768)  # DINOv2 ViT-B/14

# What all of Wan2.1's text-to-video transformers share.
_WAN: dict[str, Any] = {
    "attention_head_dim": HEAD_DIM,
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": (1, 2, 2),
    "text_dim": 4096,
    "freq_dim": 256,
}
# CogVideoX's transformers, as in their `config.json`, by the last name of their folder.
_COGVIDEOX: dict[str, Any] = {
    "attention_head_dim": 64,
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "text_embed_dim": 4096,
    "time_embed_dim": 512,
    "max_text_seq_length": 226,
}
COGVIDEOX: dict[str, dict[str, Any]] = {
    "cogvideox-2b": {"num_attention_heads": 30, "num_layers": 30, "use_rotary_positional_embeddings": False},
    "cogvideox-5b": {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True},
}
# Wan2.1-I2V's, by the last name of its folder: what differs from the T2V of its size.
WAN_I2V: dict[str, dict[str, Any]] = {
    "wan2.1-i2v-14b": {**WAN_T2V["prod"], "in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120},
}
# Profiles whose base is published, by its folder's last name where that is no Wan2.1-T2V.
FALLBACKS = {"cogvideox": "cogvideox-2b"}
PROFILES = (*WAN_T2V, *FALLBACKS)


def published_config(name: str) -> dict[str, Any]:
    """The transformer's configuration that is trained by a profile of `PROFILES`, or published in a folder of a name of
    `COGVIDEOX` or `WAN_I2V`. Raises `KeyError` where there is none."""
    name = FALLBACKS.get(name, name)
    if name in WAN_I2V:
        return _WAN | WAN_I2V[name]
    return _COGVIDEOX | COGVIDEOX[name] if name in COGVIDEOX else _WAN | WAN_T2V[name]


def published_at(folder: str, profile: str) -> dict[str, Any] | None:
    """The configuration of the base that belongs into a folder that is not there yet; None where none is known."""
    name = PurePosixPath(folder).name
    known = name if name in (*COGVIDEOX, *WAN_I2V) else profile
    return published_config(known) if known in (*COGVIDEOX, *WAN_I2V, *PROFILES) else None


def is_cogvideox_config(config: Mapping[str, Any]) -> bool:
    """Whether a transformer's configuration is a CogVideoX's."""
    return "text_embed_dim" in config


def latent_channels_of(config: Mapping[str, Any]) -> int:
    """C of what a transformer of this configuration generates; an image-to-video model takes more than it gives."""
    return int(config.get("out_channels") or config["in_channels"])


def patch_of(config: Mapping[str, Any]) -> tuple[int, int, int]:
    """Latents a patch of a transformer of this configuration, (time, height, width)."""
    size = config["patch_size"]
    return (1, size, size) if isinstance(size, int) else tuple(size)


def text_width(config: Mapping[str, Any]) -> int:
    """Width of a text token that a transformer of this configuration reads."""
    return int(config["text_embed_dim" if is_cogvideox_config(config) else "text_dim"])
