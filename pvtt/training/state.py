"""What a training changes, as tensors for a checkpoint and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pvtt.training.sharding import like, restore_optimizer, shard, unsharded_like, whole


@dataclass(frozen=True)
class TrainedState:
    """The trained parameters, their EMA and the optimizer, sharded or not.

    Args:
        names: The parameters' names.
        parameters: The same, as the model has them.
        ema: diffusers' `EMAModel` of what this process holds of them.
        optimizer: Over them, in an order of its own.
    """

    names: Sequence[str]
    parameters: Sequence[Tensor]
    ema: Any
    optimizer: Any

    def whole(self) -> dict[str, Any]:
        """A checkpoint's `weights`, `ema` and `optimizer`, in the memory of this process, which must hold all."""
        return {
            "weights": dict(zip(self.names, whole(self.parameters), strict=True)),
            "ema": whole(self.ema.state_dict()),
            "optimizer": whole(self.optimizer.state_dict()),
        }

    def restore_whole(self, weights: Mapping[str, Tensor], ema: dict[str, Any], optimizer: dict[str, Any]) -> None:
        """Take what `whole` gave, also in a process that holds a share."""
        with torch.no_grad():
            for parameter, name in zip(self.parameters, self.names, strict=True):
                parameter.copy_(like(weights[name], parameter))
        pairs = zip(ema["shadow_params"], self.parameters, strict=True)
        shadows = [shard(like(shadow, parameter)) for shadow, parameter in pairs]
        self.ema.load_state_dict(ema | {"shadow_params": shadows})
        restore_optimizer(self.optimizer, optimizer)

    # -- in shards

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, as the processes share them: `weights.<name>`, `ema.<name>`, `optimizer.<number>.<name>`."""
        tensors = self._own_tensors()
        for number, entry in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in entry.items() if _is_tensor(value)}
        return tensors

    def rest(self) -> dict[str, Any]:
        """A checkpoint's `weights`, `ema` and `optimizer` without what `tensors` gives."""
        ema, optimizer = self.ema.state_dict(), self.optimizer.state_dict()
        state = {
            number: {name: value for name, value in entry.items() if not _is_tensor(value)}
            for number, entry in optimizer["state"].items()
        }
        return {
            "weights": {},
            "ema": {name: value for name, value in ema.items() if name != "shadow_params"},
            "optimizer": optimizer | {"state": state},
        }

    def room_for(self, sizes: Mapping[str, tuple[torch.Size, torch.dtype]]) -> dict[str, Tensor]:
        """Tensors to read `tensors` into: parameters and EMA themselves, and new ones for the optimizer."""
        optimized = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        room = self._own_tensors()
        for key, (size, dtype) in sizes.items():
            kind, _, rest = key.partition(".")
            if kind == "optimizer":
                parameter = optimized[int(rest.partition(".")[0])].detach()
                if size == parameter.shape:
                    room[key] = torch.zeros_like(parameter, dtype=dtype)
                else:
                    room[key] = torch.zeros(size, dtype=dtype, device=parameter.device)
        return room

    def restore_read(self, room: Mapping[str, Tensor], ema: dict[str, Any], optimizer: dict[str, Any]) -> None:
        """Take what was read into `room_for`, and what `rest` gave."""
        self.ema.load_state_dict(ema | {"shadow_params": self.ema.shadow_params})
        state = {number: dict(entry) for number, entry in optimizer["state"].items()}
        for key, tensor in room.items():
            kind, _, rest = key.partition(".")
            if kind == "optimizer":
                number, _, name = rest.partition(".")
                state[int(number)][name] = tensor
        self.optimizer.load_state_dict(optimizer | {"state": state})

    def _own_tensors(self) -> dict[str, Tensor]:
        weights = {f"weights.{name}": p.detach() for name, p in zip(self.names, self.parameters, strict=True)}
        parts = zip(self.names, self.ema.shadow_params, self.parameters, strict=True)
        return weights | {f"ema.{name}": unsharded_like(shadow, parameter) for name, shadow, parameter in parts}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)
