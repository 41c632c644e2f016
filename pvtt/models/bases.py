"""The kinds of base that there are, and the model around each.

A kind is a class of transformers that gives rectified flow's velocity for `Conditions`: Wan's own and its VACE are
`ProductVideoTransformer`, CogVideoX is `CogVideoXProductTransformer`. Both have

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
from pvtt.models.loading import (
    is_cogvideox,
    load_base_transformer,
    load_component,
    read_scheduler_config,
    transformer_class,
)
from pvtt.models.transformer import ProductVideoTransformer

ProductTransformer = ProductVideoTransformer | CogVideoXProductTransformer


def product_class(folder: Path) -> type[ProductVideoTransformer] | type[CogVideoXProductTransformer]:
    """The class of models around the base in a pipeline folder, or of the trained one that is there."""
    return CogVideoXProductTransformer if is_cogvideox(transformer_class(folder)) else ProductVideoTransformer


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
        return ProductVideoTransformer.from_base(stock, seed=seed, **config)
    schedule = read_scheduler_config(base)
    require_published(schedule, str(base))
    shift = {"snr_shift_scale": float(schedule["snr_shift_scale"])}
    return CogVideoXProductTransformer.from_base(stock, seed=seed, **(config | shift))


def load_trained(folder: Path, **options: Any) -> Any:
    """The transformer of a trained pipeline's folder. Options and errors as of `load_component`."""
    return load_component(folder / "transformer", product_class(folder), **options)


def class_of(model: nn.Module) -> type[ProductVideoTransformer] | type[CogVideoXProductTransformer]:
    """The class of a model; FSDP2 gives a sharded one's another name."""
    return CogVideoXProductTransformer if isinstance(model, CogVideoXProductTransformer) else ProductVideoTransformer


def scheduler_entry(entry: list[str]) -> list[str]:
    """What a trained pipeline's `model_index.json` says of its scheduler, given what the base's says."""
    if not is_cogvideox(entry[1]):
        return entry
    return [CogVideoXFlowScheduler.__module__, CogVideoXFlowScheduler.__name__]
