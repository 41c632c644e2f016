"""One of two processes that shard a small model with FSDP2 on the CPU: python -m tests.training.sharded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pvtt.training.sharding import like, restore_optimizer, whole


def build(shard: bool) -> tuple[nn.Module, list[Tensor], torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 3))
    model[0].bias.requires_grad_(False)
    if shard:
        from torch.distributed.fsdp import fully_shard

        fully_shard(model)
    parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return model, parameters, torch.optim.AdamW(parameters, lr=0.1, fused=True)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    torch.manual_seed(step)
    model(torch.randn(4, 5)).square().mean().backward()  # the same batch in both processes
    optimizer.step()
    optimizer.zero_grad()


def main() -> None:
    torch.distributed.init_process_group("gloo")
    model, parameters, optimizer = build(shard=True)
    plain, plain_parameters, plain_optimizer = build(shard=False)
    train(model, optimizer, 1)
    train(plain, plain_optimizer, 1)
    saved: dict[str, Any] = {"weights": whole(parameters), "optimizer": whole(optimizer.state_dict())}
    torch.testing.assert_close(saved["weights"], [parameter.detach() for parameter in plain_parameters])
    moments, plain_moments = (
        state["state"][0]["exp_avg"] for state in (saved["optimizer"], plain_optimizer.state_dict())
    )
    torch.testing.assert_close(moments, plain_moments)

    # Into a sharded model that has seen nothing, then on as if nothing had happened.
    model, parameters, optimizer = build(shard=True)
    with torch.no_grad():
        for parameter, tensor in zip(parameters, saved["weights"], strict=True):
            parameter.copy_(like(tensor, parameter))
    restore_optimizer(optimizer, saved["optimizer"])
    train(model, optimizer, 2)
    train(plain, plain_optimizer, 2)
    torch.testing.assert_close(whole(parameters), [parameter.detach() for parameter in plain_parameters])
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
