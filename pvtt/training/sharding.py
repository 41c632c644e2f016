"""Whole tensors from sharded ones and back, so that a checkpoint reads the same however many processes wrote it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def whole(value: Any) -> Any:
    """A copy of nested dicts and lists with every tensor whole and on the CPU. All processes must call it."""
    if isinstance(value, Tensor):
        if hasattr(value, "full_tensor"):  # a DTensor, as FSDP2 makes them
            value = value.full_tensor()
        return value.detach().cpu()
    if isinstance(value, dict):
        return {key: whole(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [whole(part) for part in value]
    return value


def shard(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, sharing its memory; the tensor itself where it is not sharded.

    It requires gradients where the tensor does, as a leaf of its own.
    """
    if not hasattr(tensor, "full_tensor"):
        return tensor
    from torch.distributed.tensor import DTensor

    detached = tensor.detach()
    assert isinstance(detached, DTensor)
    return detached.to_local().requires_grad_(tensor.requires_grad)


def reshard(model: nn.Module) -> None:
    """Let go of the whole weights that FSDP2 keeps after a forward pass without a backward one.

    It would go on computing with them, whatever is written into the shards.
    """
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def like(tensor: Tensor, model: Tensor) -> Tensor:
    """A whole tensor, placed and sharded as `model` is."""
    tensor = tensor.to(model.device)
    if not hasattr(model, "full_tensor"):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(model, DTensor)
    return distribute_tensor(tensor, model.device_mesh, model.placements)


def unsharded_like(part: Tensor, model: Tensor) -> Tensor:
    """The tensor whose share in this process is `part`, shared as `model` is; the memory is the same."""
    if not hasattr(model, "full_tensor"):
        return part
    from torch.distributed.tensor import DTensor

    assert isinstance(model, DTensor)
    return DTensor.from_local(
        part, model.device_mesh, model.placements, run_check=False, shape=model.shape, stride=model.stride()
    )


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimizer's whole state dict, as `whole` made it.

    Args:
        optimizer: The optimizer that takes the state; its parameters may be sharded.
        state: Its state dict, or that of one over the same parameters.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sharded = {
        index: {
            name: like(value, parameters[index]) if isinstance(value, Tensor) and value.ndim else value
            for name, value in entry.items()
        }
        for index, entry in state["state"].items()
    }
    optimizer.load_state_dict({"state": sharded, "param_groups": state["param_groups"]})
