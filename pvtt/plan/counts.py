"""Parameters of the very model that would be trained, on the meta device: exact, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pvtt.params.file import Params


@dataclass(frozen=True)
class Counts:
    """Numbers of parameters.

    Args:
        total: Of the transformer, with the product's parts.
        product: Of those that the base does not have.
        trainable: That each of the two stages trains; of an adapter (LoRA) its own.
        block: Of the largest block.
    """

    total: int
    product: int
    trainable: tuple[int, int]
    block: int


def count(params: Params, config: Mapping[str, Any]) -> Counts:
    """Count them.

    Args:
        params: The conditioning, and what each stage trains.
        config: The base transformer's configuration.

    Raises:
        ParamsError: A pattern of `train.*.trainable` or `train.stage2.lora.targets` matches nothing.
    """
    import torch

    from pvtt.models.summary import new_transformer
    from pvtt.models.transformer import is_product_parameter
    from pvtt.training.lora import num_trainable

    with torch.device("meta"):
        model = new_transformer(params, dict(config), params.model.conditioning)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    trainable = (
        num_trainable(model, params.train.stage1, "train.stage1"),
        num_trainable(model, params.train.stage2, "train.stage2"),
    )
    blocks: dict[str, int] = {}
    for name, size in sizes.items():
        if name.startswith(("blocks.", "transformer_blocks.")):
            number = name.split(".")[1]
            blocks[number] = blocks.get(number, 0) + size
    return Counts(
        total=sum(sizes.values()),
        product=sum(size for name, size in sizes.items() if is_product_parameter(name)),
        trainable=trainable,
        block=max(blocks.values()),
    )
