"""Muon and AdamW as one optimizer."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from pvtt.errors import ParamsError
from pvtt.training.job import TrainJob
from pvtt.training.loop import Training
from pvtt.training.muon import Muon
from pvtt.training.optimizer import MuonWithAdamW, is_matrix
from pvtt.training.runtime import accelerate_for
from tests.training.samples import build_workspace, tiny_params


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(16, 24, 3), nn.Flatten(), nn.Linear(24, 32), nn.Linear(32, 4))


def backward(network: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    network.zero_grad()
    network(torch.randn(8, 16, 3, 3)).square().mean().backward()


def test_each_part_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)  # torch's Muon in float32, as ours on a CPU
    ours, theirs = model(), model()
    optimizer = MuonWithAdamW(ours.parameters(), 0.02, adamw_lr=0.01, weight_decay=0.1)
    matrices = [parameter for parameter in theirs.parameters() if is_matrix(parameter)]
    others = [parameter for parameter in theirs.parameters() if not is_matrix(parameter)]
    flat = [nn.Parameter(matrix.detach().flatten(1).clone()) for matrix in matrices]
    muon = torch.optim.Muon(flat, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)

    for seed in range(3):
        backward(ours, seed)
        optimizer.step()
        backward(theirs, seed)
        for view, matrix in zip(flat, matrices, strict=True):
            assert matrix.grad is not None
            view.grad = matrix.grad.flatten(1)
        muon.step()
        adamw.step()
        for view, matrix in zip(flat, matrices, strict=True):
            matrix.data.copy_(view.detach().view_as(matrix))

    assert len(matrices) == 2  # the last layer's has 4 rows
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_bfloat16_steps_go_the_same_way() -> None:
    """What torch's Muon makes of it on this machine, to the accuracy of bfloat16."""
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(48, 32)) for _ in range(2))
    for optimizer, parameter in (
        (Muon([ours], 0.1), ours),
        (torch.optim.Muon([theirs], 0.1, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"), theirs),
    ):
        parameter.grad = torch.randn(48, 32, generator=torch.Generator().manual_seed(1))
        optimizer.step()
    moved = torch.stack([(ours - 1).flatten(), (theirs - 1).flatten()]).detach()
    assert torch.cosine_similarity(moved[0], moved[1], dim=0) > 0.999
    assert moved[0].std() == pytest.approx(float(moved[1].std()), rel=0.01)


@pytest.mark.parametrize("chosen", ["all", "matrices", "others"])
def test_it_continues_from_its_state_dict(chosen: str, tmp_path: Path) -> None:
    def parameters(network: nn.Module) -> list[nn.Parameter]:
        return [p for p in network.parameters() if chosen == "all" or is_matrix(p) == (chosen == "matrices")]

    through = model()
    optimizer = MuonWithAdamW(parameters(through), 0.02)
    for seed in range(2):
        backward(through, seed)
        optimizer.step()
    stopped = copy.deepcopy(through)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")

    continued = MuonWithAdamW(parameters(stopped), 0.5)
    continued.load_state_dict(torch.load(tmp_path / "state.pt"))
    for network, own in ((through, optimizer), (stopped, continued)):
        backward(network, 2)
        own.step()

    assert all(torch.equal(a, b) for a, b in zip(through.parameters(), stopped.parameters(), strict=True))


def test_the_schedule_reaches_both_parts() -> None:
    network = model()
    optimizer = MuonWithAdamW(network.parameters(), 0.02, adamw_lr=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    before = copy.deepcopy(network)
    backward(network, 0)
    optimizer.step()
    schedule.step()

    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), before.parameters(), strict=True))


def test_sharded_matrices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import DistributedType

    params = tiny_params(optimizer="muon")
    job = TrainJob(build_workspace(tmp_path), "train_stage1", params)
    with accelerate_for(params.train, 1) as accelerator:
        monkeypatch.setattr(type(accelerator), "distributed_type", DistributedType.FSDP)
        with pytest.raises(ParamsError, match="optimizer: muon") as caught:
            Training(job, accelerator)
    assert caught.value.hint == "set train.optimizer: adamw"
