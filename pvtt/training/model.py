"""The model that a stage trains, and the complete pipeline folder that it becomes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_write_text
from pvtt.models.bases import ProductTransformer, load_trained, new_around_base, product_class, scheduler_entry
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.product_tokens import latent_tokens
from pvtt.models.contracts import Contracts
from pvtt.models.loading import (
    ENCODER_PARTS,
    FROZEN_PARTS,
    load_text_encoder,
    load_vae,
    read_model_index,
    require_pipeline,
)
from pvtt.models.origin import forget_origin, model_sha256
from pvtt.models.pipeline_folder import name_pipeline_class
from pvtt.models.text import encode_text
from pvtt.models.vae import TEMPORAL_FACTOR, encode_video
from pvtt.params.encode import EncodeParams
from pvtt.params.model import ModelParams


def new_model(
    base: Path, params: ModelParams, max_views: int, tokens: Mapping[str, int], seed: int
) -> ProductTransformer:
    """A model around a base's transformer, equal to it at the start, float32.

    Args:
        base: A Diffusers folder of Wan or CogVideoX.
        params: Its conditioning.
        max_views: Views with an embedding of their own.
        tokens: `tokens_of` the data.
        seed: Seed of the new random parameters.
    """
    require_pipeline(base)
    config = _config(params, tokens) | {"max_views": max_views}
    return new_around_base(base, seed=seed, **config).float()


def _config(params: ModelParams, tokens: Mapping[str, int]) -> dict[str, Any]:
    """What a model has that its base has not, but for the views."""
    return {
        "conditioning": params.conditioning,
        **tokens,
        "num_product_tokens": params.num_product_tokens,
        "encoder_layers": params.encoder_layers,
        "product_heads": params.product_heads,
    }


def tokens_of(conditions: Conditions) -> dict[str, int]:
    """Numbers and widths of the photos' tokens in the data, by the names that the transformer's configuration has."""
    tokens = conditions.image_tokens  # (B, N, L, Dp)
    if tokens is None:
        tokens = latent_tokens(conditions.photo_latents)
    shapes = {"tokens_per_view": tokens.shape[2], "product_dim": tokens.shape[3]}
    if conditions.dino_tokens is not None:
        shapes |= {
            "dino_tokens_per_view": conditions.dino_tokens.shape[2],
            "dino_dim": conditions.dino_tokens.shape[3],
        }
    return shapes


def trained_model(folder: Path, tokens: Mapping[str, int]) -> ProductTransformer:
    """The transformer of an earlier stage's pipeline folder, float32.

    Raises:
        PvttError: The data's photo tokens are of another shape than those it was trained on.
    """
    require_pipeline(folder)
    model = load_trained(folder, torch_dtype=torch.float32)
    reads = not {"product_tokens", "dual_encoder"}.isdisjoint(model.config.conditioning)
    known = {name: model.config[name] for name in tokens}
    if reads and known != tokens:
        shown, found = (", ".join(f"{name} {value}" for name, value in one.items()) for one in (known, dict(tokens)))
        raise PvttError(
            f"{folder} was trained on photos of {shown}; outs/encode has {found}",
            "train the earlier stage again on the present data: `dvc repro train_stage1`",
        )
    return model


def champion_model(
    folder: Path, base: Path, params: ModelParams, tokens: Mapping[str, int], seed: int
) -> ProductTransformer:
    """The transformer of the model promoted last, float32, to be trained on.

    Parts of the conditioning that it does not have yet are new, and have no effect at the start.

    Args:
        folder: Its pipeline folder.
        base: The Diffusers folder that the data are encoded with.
        params: The conditioning that is wanted.
        tokens: `tokens_of` the data.
        seed: Seed of new parts' random parameters.

    Raises:
        PvttError: It has another base's autoencoder or text encoder, a part that `params` leaves out, or as
            `trained_model`.
    """
    model = trained_model(folder, tokens)
    start_from_base = "train it from model.base: `dvc exp run -S train.start=base`"
    missing = [name for name in model.config.conditioning if name not in params.conditioning]
    if missing:
        raise PvttError(
            f"{folder} is conditioned by {', '.join(model.config.conditioning)}, "
            f"and model.conditioning asks for {', '.join(params.conditioning)}",
            start_from_base,
        )
    for part in ENCODER_PARTS:
        if model_sha256(folder / part) != model_sha256(base / part):
            raise PvttError(
                f"{folder} and {base} differ in their {part}, so one's latents are not the other's", start_from_base
            )
    if list(model.config.conditioning) == list(params.conditioning):
        return model
    return type(model).from_base(model, seed=seed, **_config(params, tokens)).float()


@dataclass(frozen=True)
class Constants:
    """Encodings that all batches share: of the empty text, (T, Dt), and of a video that is all hole, (C, F', h, w)."""

    empty_text: Tensor
    empty_latents: Tensor | None


def encode_constants(
    base: Path, params: EncodeParams, fill: float, latent_shape: tuple[int, int, int, int], with_latents: bool
) -> Constants:
    """Encode the constants with a base's frozen networks, which are let go afterwards.

    Args:
        base: The base model's pipeline folder.
        params: The settings that the samples were encoded with.
        fill: Pixel value of the hole.
        latent_shape: (C, F', h, w).
        with_latents: Whether to encode the empty video too.
    """
    tokenizer, text_encoder = load_text_encoder(base)
    empty_text = encode_text([""], tokenizer, text_encoder, params.text_tokens)[0].float()
    empty_latents = None
    if with_latents:
        _, frames, height, width = latent_shape
        shape = (1, 3, (frames - 1) * TEMPORAL_FACTOR + 1, height * 8, width * 8)
        with torch.no_grad():
            empty_latents = encode_video(load_vae(base), torch.full(shape, fill))[0]
    return Constants(empty_text, empty_latents)


def save_pipeline(
    folder: Path, model: ProductTransformer, base: Path, contracts: Contracts, params: EncodeParams
) -> None:
    """Write a complete pipeline folder, which `ProductVideoPipeline.from_pretrained` loads.

    Args:
        folder: The folder to write into.
        model: The trained transformer.
        base, contracts, params: As `complete_pipeline` has them.
    """
    model.save_pretrained(folder / "transformer")
    complete_pipeline(folder, base, contracts, params)


def complete_pipeline(folder: Path, base: Path, contracts: Contracts, params: EncodeParams) -> None:
    """Make a folder that has a `transformer` a complete pipeline folder.

    The frozen parts are copied. They are no links: DVC makes what it tracks read-only.

    Args:
        folder: The folder to write into.
        base: The pipeline folder that the frozen parts are copied from.
        contracts: What the masks and crops that it was trained on mean.
        params: The settings that the samples were encoded with.
    """
    for part in FROZEN_PARTS:
        shutil.copytree(base / part, folder / part, copy_function=shutil.copyfile)
    forget_origin(folder)
    contracts.save(folder)
    index, kind = read_model_index(base), product_class(folder)
    trained = {
        "_diffusers_version": index["_diffusers_version"],
        "image_features": params.image_features,
        "photo_size": params.photo_size,
        "text_tokens": params.text_tokens,
        "transformer": [kind.__module__, kind.__name__],
    }
    index = trained | {part: index[part] for part in FROZEN_PARTS} | {"scheduler": scheduler_entry(index["scheduler"])}
    atomic_write_text(folder / "model_index.json", json.dumps(index, indent=2, sort_keys=True) + "\n")
    name_pipeline_class(folder)
