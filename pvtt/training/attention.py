"""Which kernels compute the transformer's self-attention and its attention to the text.

`auto` leaves the choice to torch. The others are those of diffusers' dispatcher that have a backward pass;
SageAttention has none. What the conditioning adds to attention has masks, and stays torch's choice.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import Any, cast

import torch

from pvtt.errors import ParamsError, first_line
from pvtt.models.bases import ProductTransformer
from pvtt.models.demands import TEXT_TOKENS
from pvtt.models.transformer import ProductTransformerBlock, ProductVideoTransformer
from pvtt.params.train import Attention

BACKENDS: dict[Attention, str] = {
    "math": "_native_math",
    "efficient": "_native_efficient",
    "flash": "_native_flash",
    "cudnn": "_native_cudnn",
    "flash_attn_2": "flash",
    "flash_attn_3": "_flash_3",
    "xformers": "xformers",
}
HINT = "set train.attention: auto, or install what the message names"
PATCHES = 8  # that it is tried on


def set_attention(model: ProductTransformer, name: Attention, device: torch.device, in_bf16: bool) -> None:
    """Let a model's blocks use a backend, after it was tried, forward and backward.

    diffusers' own `set_attention_backend` would also change what all other models of the process use.

    Args:
        model: Changed in place, unless `auto`.
        name: `train.attention`.
        device: Where it will run.
        in_bf16: It will run under autocast to bfloat16.

    Raises:
        ParamsError: The base is no Wan, or the backend is not installed, or does not run on this device, in this
            precision or with a mask that the conditioning needs.
    """
    if name == "auto":
        return
    if not isinstance(model, ProductVideoTransformer):
        raise ParamsError(
            f"train.attention: {name} is for Wan's blocks; a CogVideoX leaves it to torch", "set train.attention: auto"
        )
    from diffusers.models.attention_dispatch import AttentionBackendName, _check_attention_backend_requirements

    backend = AttentionBackendName(BACKENDS[name])
    try:
        _check_attention_backend_requirements(backend)
        _try(cast(ProductTransformerBlock, model.blocks[0]), backend, device, in_bf16, model.config.prepends_references)
    except Exception as error:  # each backend has its own kinds
        kind = "bfloat16" if in_bf16 else "float32"
        raise ParamsError(
            f"train.attention: {name} does not run on this machine's {device.type} in {kind}: {first_line(error)}", HINT
        ) from error
    _use(model, backend)


def _use(model: torch.nn.Module, backend: Any) -> None:
    for module in model.modules():
        processor: Any = getattr(module, "processor", None)
        if hasattr(processor, "_attention_backend"):
            processor._attention_backend = backend


def _try(block: ProductTransformerBlock, backend: Any, device: torch.device, in_bf16: bool, masked: bool) -> None:
    """A copy of a block's attentions, forward and backward; draws no random number."""
    from diffusers.models.attention_dispatch import dispatch_attention_fn

    block = copy.deepcopy(block).to(device).requires_grad_()
    _use(block, backend)
    dim = block.attn1.to_q.in_features
    patches = torch.zeros(1, PATCHES, dim, device=device)
    picture = 0 if block.attn2.add_k_proj is None else TEXT_TOKENS  # a photo's tokens come before so many of a text
    context = torch.zeros(1, PATCHES + picture, dim, device=device)
    turns = torch.ones(1, PATCHES, 1, dim // block.attn1.heads, device=device)
    mask = torch.ones(1, 1, 1, PATCHES, dtype=torch.bool, device=device) if masked else None
    with torch.autocast(device.type, torch.bfloat16) if in_bf16 else nullcontext():
        query, key, value = block.project(patches, (turns, turns))
        attended = dispatch_attention_fn(query, key, value, mask, backend=backend).flatten(2, 3)
        read = block.attn2(patches, context, None, None)
    (attended.float().sum() + read.float().sum()).backward()
