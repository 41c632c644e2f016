"""A model's shape and a sample's size: what everything else is computed from. Pure arithmetic; nothing is loaded."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.errors import MissingInputError
from pvtt.models.loading import read_transformer_config
from pvtt.models.published import (
    CLIP_TOKENS,
    DINO_TOKENS,
    is_cogvideox_config,
    latent_channels_of,
    patch_of,
    published_at,
    published_config,
    text_width,
)
from pvtt.params.file import Params

GIB = 2**30
TEMPORAL_STRIDE = 4  # of Wan's VAE: 4n+1 frames → n+1 latent frames
LATENT_STRIDE = 8  # pixels a latent
PATCHED_STRIDE = 16  # pixels a patch: 8 of the VAE, 2 of the patch embedding


@dataclass(frozen=True)
class Architecture:
    """A text-to-video transformer's shape, as in its `config.json`."""

    dim: int
    ffn_dim: int
    num_layers: int
    text_dim: int = 4096
    freq_dim: int = 256
    latent_channels: int = 16
    condition_channels: int = 20
    patch_volume: int = 4  # of (1, 2, 2)
    is_cogvideox: bool = False


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The shape that a transformer's `config.json` says."""
    dim = config["attention_head_dim"] * config["num_attention_heads"]
    is_cogvideox = is_cogvideox_config(config)
    return Architecture(
        dim=dim,
        ffn_dim=4 * dim if is_cogvideox else config["ffn_dim"],
        num_layers=config["num_layers"],
        text_dim=text_width(config),
        freq_dim=dim if is_cogvideox else config["freq_dim"],
        latent_channels=latent_channels_of(config),
        patch_volume=math.prod(patch_of(config)),
        is_cogvideox=is_cogvideox,
    )


WAN_1_3B, WAN_14B = architecture(published_config("poc")), architecture(published_config("prod"))


def base_config(params: Params, root: Path) -> tuple[dict[str, Any], str]:
    """The configuration of the base's transformer, and where it was read.

    Args:
        params: Name the base, and the profile whose published shape stands in while the base is not there.
        root: The project's folder.

    Raises:
        MissingInputError: There is no such base, and the profile trains no published one.
        PvttError: Its `config.json` is no JSON.
    """
    try:
        return read_transformer_config(root / params.model.base), params.model.base
    except MissingInputError:
        published = published_at(params.model.base, params.profile)
        if published is None:
            raise
        return published, f"published: {params.model.base} is not there yet"


@dataclass(frozen=True)
class SampleShape:
    """How large one sample is.

    Args:
        pixels: Of its video, all frames.
        photo_pixels: Of all its photos.
        latent_cells: F'·h·w of the video.
        photo_cells: y·x of all photos.
        patches: Tokens that the blocks see of one sample, photos that are shown as frames included.
    """

    pixels: int
    photo_pixels: int
    latent_cells: int
    photo_cells: int
    patches: int


def sample_shape(params: Params, config: Mapping[str, Any] | None = None) -> SampleShape:
    """The size of a sample of these params.

    Args:
        params: Of the samples.
        config: The base transformer's, where its kind matters: a CogVideoX's text is among its patches.
    """
    encode = params.encode
    frames = (encode.num_frames - 1) // TEMPORAL_STRIDE + 1
    patches = frames * (encode.height // PATCHED_STRIDE) * (encode.width // PATCHED_STRIDE)
    if "reference_frames" in params.model.conditioning:
        patches += encode.max_photos * (encode.photo_size // PATCHED_STRIDE) ** 2
    if "context_blocks" in params.model.conditioning:  # a photo is a frame
        patches += encode.max_photos * (patches // frames)
    if config is not None and is_cogvideox_config(config):
        patches += encode.text_tokens
    return SampleShape(
        pixels=encode.num_frames * encode.height * encode.width,
        photo_pixels=encode.max_photos * encode.photo_size**2,
        latent_cells=frames * (encode.height // LATENT_STRIDE) * (encode.width // LATENT_STRIDE),
        photo_cells=encode.max_photos * (encode.photo_size // LATENT_STRIDE) ** 2,
        patches=patches,
    )


def _attention(dim: int) -> int:
    return 4 * (dim * dim + dim) + 2 * dim  # q, k, v and output with biases; RMS norms of q and k


def count_block(shape: Architecture, conditioning: Collection[str]) -> tuple[int, int]:
    """Parameters of one block: Wan's own, and its parts'."""
    dim = shape.dim
    ffn = dim * shape.ffn_dim + shape.ffn_dim + shape.ffn_dim * dim + dim
    own = 2 * _attention(dim) + 2 * dim + ffn + 6 * dim  # self, text; the text's norm; modulation
    cross = 2 * dim + _attention(dim) + dim + dim  # norm, attention, its sink, gate
    parts = {
        "reference_frames": dim + dim,  # sink, gate
        "product_tokens": cross,
        "dual_encoder": cross,
    }
    return own, sum(parts.get(name, 0) for name in conditioning)


def count_parameters(shape: Architecture, params: Params) -> tuple[int, int]:
    """Parameters of `ProductVideoTransformer`: of the base, and of what is added for the product."""
    dim, model, encode = shape.dim, params.model, params.encode
    if encode.image_features != "vae":
        tokens_per_view, product_dim = CLIP_TOKENS
    else:
        tokens_per_view = (encode.photo_size // PATCHED_STRIDE) ** 2
        product_dim = shape.latent_channels * shape.patch_volume
    own, product = count_block(shape, model.conditioning)
    patch = shape.latent_channels * shape.patch_volume
    embedders = (
        (patch * dim + dim)  # patches
        + (shape.freq_dim * dim + dim + dim * dim + dim)  # time
        + (dim * 6 * dim + 6 * dim)  # its projection
        + (shape.text_dim * dim + dim + dim * dim + dim)  # text
    )
    head = dim * patch + patch + 2 * dim
    layer = _attention(dim) + 2 * 2 * dim + (dim * 2 * dim + 2 * dim + 2 * dim * dim + dim)

    def encoder(tokens_per_view: int, product_dim: int) -> int:
        places = tokens_per_view + encode.max_photos + 1 + model.num_product_tokens
        return (product_dim * dim + dim) + places * dim + model.encoder_layers * layer + 2 * dim

    parts = {
        "mask_channels": shape.condition_channels * shape.patch_volume * dim,
        "collage": shape.condition_channels * shape.patch_volume * dim,
        "template_frames": patch * dim,
        "context_blocks": (2 * patch + 64 * shape.patch_volume) * dim
        + dim  # a patch
        + (dim * dim + dim)  # the first block's projection
        + math.ceil(shape.num_layers / 2) * (own + dim * dim + dim),  # a copy of every second block, and its projection
        "reference_frames": encode.max_photos * dim,
        "product_tokens": encoder(tokens_per_view, product_dim),
        "dual_encoder": encoder(tokens_per_view, product_dim) + encoder(*DINO_TOKENS),
    }
    added = sum(parts[name] for name in model.conditioning)
    return embedders + head + shape.num_layers * own, added + shape.num_layers * product
