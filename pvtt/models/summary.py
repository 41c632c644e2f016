"""What each part of the conditioning costs: parameters, tokens, and seconds a step beside the base's own."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import CogVideoXTransformer3DModel, WanTransformer3DModel

from pvtt.models.bases import ProductTransformer
from pvtt.models.cogvideox import CogVideoXProductTransformer
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.context_blocks import MASK_CHANNELS
from pvtt.models.conditioning.parts import part_classes
from pvtt.models.image_to_video import ProductImageVideoTransformer
from pvtt.models.published import (
    CLIP_TOKENS,
    DINO_TOKENS,
    is_cogvideox_config,
    latent_channels_of,
    patch_of,
    published_config,
    text_width,
)
from pvtt.models.transformer import ProductVideoTransformer, own_arguments
from pvtt.models.vae import SPATIAL_FACTOR, TEMPORAL_FACTOR, latent_frames
from pvtt.params.file import Params


@dataclass(frozen=True)
class PartCost:
    """One part.

    Args:
        name: Of the part; `base` is the transformer without any.
        says: What it does.
        parameters: That it adds.
        tokens: That it adds to what a sample is, beside the video's own patches.
        seconds: Of a forward and backward pass of the base with the parts up to this one; None: not measured.
    """

    name: str
    says: str
    parameters: int
    tokens: int
    seconds: float | None = None


def part_costs(params: Params, config: dict[str, Any], conditioning: Sequence[str]) -> list[PartCost]:
    """Parameters and tokens of a base's transformer and of each part; nothing is loaded.

    Args:
        params: Sizes of samples, photos and parts.
        config: The base transformer's configuration.
        conditioning: Names of the parts.
    """
    with torch.device("meta"):
        counts = [_count(_base(config))]
        counts += [
            _count(new_transformer(params, config, conditioning[: number + 1])) for number in range(len(conditioning))
        ]
    added = [after - before for before, after in itertools.pairwise(counts)]
    video = PartCost("base", "the video's patches", counts[0], _video_tokens(params, config))
    return [
        video,
        *(
            PartCost(name, part_classes(name)[0].says, count, _tokens(name, params, config))
            for name, count in zip(conditioning, added, strict=True)
        ),
    ]


def step_seconds(params: Params, config: dict[str, Any], conditioning: Sequence[str], *, rounds: int) -> list[float]:
    """Seconds of a forward and backward pass of one sample: of the base, and with one part after another; the least of
    some rounds, taken in turns."""
    works = [_work(params, config, conditioning[:number]) for number in range(len(conditioning) + 1)]
    best = [float("inf")] * len(works)
    for _ in range(rounds + 1):  # the first round warms up
        for number, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[number] = min(best[number], time.perf_counter() - start)
    return best


def stock_seconds(config: dict[str, Any], params: Params, num_tokens: int, *, rounds: int) -> float:
    """Seconds of a forward and backward pass of the stock base on a video of about so many patches, the least of some
    rounds: what as many tokens cost anyhow."""
    _, patch_height, patch_width = patch_of(config)
    columns = params.encode.width // (SPATIAL_FACTOR * patch_width)
    rows = round(num_tokens / (columns * latent_frames(params.encode.num_frames)))
    latents = torch.randn(
        1,
        latent_channels_of(config),
        latent_frames(params.encode.num_frames),
        rows * patch_height,
        columns * patch_width,
    )
    text = torch.randn(1, params.encode.text_tokens, text_width(config))
    work = _stock_work(config, latents, text)
    best = float("inf")
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def published(params: Params, name: str) -> list[PartCost]:
    """Parameters and tokens for the published base that a profile trains, on the meta device.

    Args:
        params: Of the profile that trains it; its conditioning counts.
        name: One of `pvtt.models.published.PROFILES`.
    """
    return part_costs(params, published_config(name), params.model.conditioning)


def new_transformer(params: Params, config: dict[str, Any], conditioning: Sequence[str]) -> ProductTransformer:
    """A model of these params around a base of this configuration, with random weights."""
    of_params = {
        "conditioning": conditioning,
        **_token_shapes(params, config),
        "num_product_tokens": params.model.num_product_tokens,
        "encoder_layers": params.model.encoder_layers,
        "product_heads": params.model.product_heads,
        "max_views": params.encode.max_photos,
    }
    if is_cogvideox_config(config):
        return CogVideoXProductTransformer(**own_arguments(CogVideoXProductTransformer, config) | of_params)
    if config.get("image_dim") is not None:
        of_base = own_arguments(ProductImageVideoTransformer, config) | {"in_channels": latent_channels_of(config)}
        return ProductImageVideoTransformer(**of_base | of_params)
    of_vace = {"context_layers": config.get("vace_layers", ()), "prepends_references": "vace_layers" in config}
    return ProductVideoTransformer(**own_arguments(ProductVideoTransformer, config) | of_params | of_vace)


def _token_shapes(params: Params, config: dict[str, Any]) -> dict[str, int]:
    """What the networks behind `encode.image_features` make of a photo, by the names of the model's configuration."""
    if params.encode.image_features == "vae":
        width = latent_channels_of(config) * math.prod(patch_of(config))
        return {"tokens_per_view": _photo_tokens(params, config), "product_dim": width}
    return dict(zip(("tokens_per_view", "product_dim"), CLIP_TOKENS, strict=True)) | dict(
        zip(("dino_tokens_per_view", "dino_dim"), DINO_TOKENS, strict=True)
    )


def _base(config: dict[str, Any]) -> Any:
    """The transformer without any part; of a VACE, without its context."""
    kind = CogVideoXTransformer3DModel if is_cogvideox_config(config) else WanTransformer3DModel
    return kind.from_config(own_arguments(kind, config))


def _stock_work(config: dict[str, Any], latents: torch.Tensor, text: torch.Tensor) -> Callable[[], None]:
    """A forward and backward pass of the transformer without any part."""
    base, timestep = _base(config).train(), torch.full((1,), 500.0)
    image_dim = config.get("image_dim")
    if not is_cogvideox_config(config) and image_dim is None:
        return lambda: base(latents, timestep, text).sample.square().mean().backward()
    # What these are given besides, the model around them makes itself.
    kind = ProductImageVideoTransformer if image_dim is not None else CogVideoXProductTransformer
    bare = kind.from_base(base, conditioning=()).train()
    conditions = Conditions(
        mask=torch.ones(1, TEMPORAL_FACTOR, *latents.shape[2:]),
        masked_latents=latents,
        photo_latents=torch.zeros(1, 1, latents.shape[1], 2, 2),
        view_mask=torch.ones(1, 1, dtype=torch.bool),
        text=text,
        image_tokens=None if image_dim is None else torch.zeros(1, 1, CLIP_TOKENS[0], image_dim),
    )
    return lambda: bare(latents, timestep, conditions).sample.square().mean().backward()


def _count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _video_tokens(params: Params, config: dict[str, Any]) -> int:
    frames, height, width = patch_of(config)
    encode = params.encode
    rows, columns = encode.height // (SPATIAL_FACTOR * height), encode.width // (SPATIAL_FACTOR * width)
    return int(latent_frames(encode.num_frames) // frames * rows * columns)


def _photo_tokens(params: Params, config: dict[str, Any]) -> int:
    return int((params.encode.photo_size // (SPATIAL_FACTOR * patch_of(config)[1])) ** 2)


def _tokens(name: str, params: Params, config: dict[str, Any]) -> int:
    views = params.encode.max_photos
    photo_frames = views * _video_tokens(params, config) // latent_frames(params.encode.num_frames)
    added = {
        "context_blocks": _video_tokens(params, config) + photo_frames,
        "reference_frames": views * _photo_tokens(params, config),
        "product_tokens": params.model.num_product_tokens,
        "dual_encoder": 2 * params.model.num_product_tokens,
    }
    return added.get(name, 0)


def dummy_conditions(params: Params, config: dict[str, Any]) -> Conditions:
    """Random conditions of one sample of these params, with all that any part reads."""
    encode, channels = params.encode, latent_channels_of(config)
    height, width = encode.height // SPATIAL_FACTOR, encode.width // SPATIAL_FACTOR
    shape = (1, channels, latent_frames(encode.num_frames), height, width)
    side, views = encode.photo_size // SPATIAL_FACTOR, encode.max_photos
    has_networks = encode.image_features != "vae"
    return Conditions(
        mask=torch.ones(1, TEMPORAL_FACTOR, *shape[2:]),
        masked_latents=torch.randn(shape),
        photo_latents=torch.randn(1, views, channels, side, side),
        view_mask=torch.ones(1, views, dtype=torch.bool),
        text=torch.randn(1, encode.text_tokens, text_width(config)),
        image_tokens=torch.randn(1, views, *CLIP_TOKENS) if has_networks else None,
        dino_tokens=torch.randn(1, views, *DINO_TOKENS) if has_networks else None,
        template_latents=torch.randn(shape),
        context_mask=torch.ones(1, MASK_CHANNELS, *shape[2:]),
        reactive_latents=torch.randn(shape),
        canvas_latents=torch.randn(1, views, channels, height, width),
        collage_latents=torch.randn(shape),
        collage_mask=torch.ones(1, TEMPORAL_FACTOR, *shape[2:]),
    )


def _work(params: Params, config: dict[str, Any], conditioning: Sequence[str]) -> Callable[[], None]:
    conditions, timestep = dummy_conditions(params, config), torch.full((1,), 500.0)
    latents = torch.randn_like(conditions.masked_latents)
    if conditioning:
        model = new_transformer(params, config, conditioning).train()
        return lambda: model(latents, timestep, conditions).sample.square().mean().backward()
    return _stock_work(config, latents, conditions.text)
