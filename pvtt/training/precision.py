"""The types of a training's arithmetic, the same for one process and for several.

Weights, gradients, their reduction over processes, and the optimizer are float32. With `train.precision: bf16` the
forward pass runs under autocast: products of matrices in bfloat16; timestep, modulation, RoPE and norms in float32.
FSDP2 casts nothing by itself, so that a sharded model's numbers are an unsharded one's: it gathers float32 weights, a
block at a time, and each product casts its own.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn


def in_bf16(model: nn.Module, device: torch.device, sharded: bool) -> None:
    """Let a model's forward run under autocast to bfloat16, in place. What it returns is float32.

    Args:
        model: Its weights are float32.
        device: Where it will run.
        sharded: Whether FSDP2 will shard it. Autocast then keeps no weights in bfloat16 for a second use: they would
            pile up to the whole model.
    """
    from accelerate.utils import convert_outputs_to_fp32

    forward = model.forward

    @functools.wraps(forward)
    def cast(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=not sharded):
            return forward(*args, **kwargs)

    model.forward = convert_outputs_to_fp32(cast)  # type: ignore[method-assign]
