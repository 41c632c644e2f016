"""The kinds of base that there are, and the model around each.

A kind is a class of transformers that gives rectified flow's velocity for `Conditions`: Wan's text-to-video models and
VACE are `ProductVideoTransformer`, its image-to-video model is `ProductImageVideoTransformer`, CogVideoX is
`CogVideoXProductTransformer`. All have

    from_base, product_config              a new model around a base, and what of its configuration the base lacks
    parts, blocks' `parts`                 the conditioning, without effect at the start
    forward, remember                      the velocity; what of the photos no step changes
    patch_shape, embed_photos, modulation_at_zero
                                           what the parts ask it, and their halves ask `project` and `advance_photos`
                                           of its blocks

Autoencoders and text encoders differ too: `loading.py`, `vae.py` and `text.py` know them by their classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from pvtt.models.cogvideox import CogVideoXProductTransformer
from pvtt.models.cogvideox_schedule import CogVideoXFlowScheduler, require_published
from pvtt.models.image_to_video import ProductImageVideoTransformer
from pvtt.models.loading import (
    is_cogvideox,
    load_base_transformer,
    load_component,
    read_scheduler_config,
    transformer_class,
)
from pvtt.models.transformer import ProductVideoTransformer

ProductTransformer = ProductVideoTransformer | CogVideoXProductTransformer
KINDS: tuple[type[ProductVideoTransformer] | type[CogVideoXProductTransformer], ...] = (
    CogVideoXProductTransformer,
    ProductImageVideoTransformer,
    ProductVideoTransformer,
)


def product_class(folder: Path) -> type[ProductVideoTransformer] | type[CogVideoXProductTransformer]:
    """The class of the trained model in a pipeline folder."""
    name = transformer_class(folder)
    return next((kind for kind in KINDS if kind.__name__ == name), ProductVideoTransformer)


def new_around_base(base: Path, *, seed: int = 0, options: dict[str, Any] | None = None, **config: Any) -> Any:
    """A new model around the base in a pipeline folder, equal to it at the start.

    Args:
        base: A stock pipeline's folder.
        seed: Of the new parameters that do not start at zero.
        options: Of loading the base, for example `torch_dtype`.
        **config: `conditioning`, `max_views`, `num_product_tokens`, ….

    Raises:
        PvttError: The base is of no kind that there is, or a part of the conditioning cannot be had on it; otherwise as
            `load_base_transformer`.
    """
    stock = load_base_transformer(base / "transformer", **(options or {}))
    if not is_cogvideox(transformer_class(base)):
        is_image_to_video = stock.config.get("image_dim") is not None
        kind = ProductImageVideoTransformer if is_image_to_video else ProductVideoTransformer
        return kind.from_base(stock, seed=seed, **config)
    schedule = read_scheduler_config(base)
    require_published(schedule, str(base))
    shift = {"snr_shift_scale": float(schedule["snr_shift_scale"])}
    return CogVideoXProductTransformer.from_base(stock, seed=seed, **(config | shift))


def load_trained(folder: Path, **options: Any) -> Any:
    """The transformer of a trained pipeline's folder. Options and errors as of `load_component`."""
    return load_component(folder / "transformer", product_class(folder), **options)


def class_of(model: nn.Module) -> type[ProductVideoTransformer] | type[CogVideoXProductTransformer]:
    """The class of a model; FSDP2 gives a sharded one's another name."""
    return next(kind for kind in KINDS if isinstance(model, kind))


def scheduler_entry(entry: list[str]) -> list[str]:
    """What a trained pipeline's `model_index.json` says of its scheduler, given what the base's says."""
    if not is_cogvideox(entry[1]):
        return entry
    return [CogVideoXFlowScheduler.__module__, CogVideoXFlowScheduler.__name__]
