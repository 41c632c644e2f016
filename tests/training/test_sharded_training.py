"""Two processes, whole models or shards of one, train as one process with twice the accumulation does."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.stages import train_stage1, train_stage2
from pvtt.training.loop import Training
from tests.training.ranks import Ways, run_ranks, train_together
from tests.training.samples import tiny_params
from tests.training.test_train import read_rows, transformer_weights

# Gradients are clipped at each step.
ALONE = {"batch_size": 2, "gradient_accumulation": 4, "max_grad_norm": 0.1}
TOGETHER = {"batch_size": 4, "gradient_accumulation": 2, "max_grad_norm": 0.1}


@dataclass(frozen=True)
class Result:
    """What both stages left."""

    losses: list[dict[str, float]]
    held_out: list[dict[str, float]]
    weights: dict[str, torch.Tensor]

    @classmethod
    def take(cls, workspace: Workspace) -> Result:
        losses, held_out, weights = [], [], {}
        for stage in ("train_stage1", "train_stage2"):
            out = workspace.out(stage)
            losses += read_rows(out / "loss.csv")
            held_out += read_rows(out / "validation.csv")
            weights |= {f"{stage}.{name}": tensor for name, tensor in transformer_weights(out / "model").items()}
            shutil.rmtree(out)
        return cls(losses, held_out, weights)

    def equals(self, other: Result) -> None:
        for mine, others in ((self.losses, other.losses), (self.held_out, other.held_out)):
            assert len(mine) == len(others) > 0
            for one, two in zip(mine, others, strict=True):
                assert one == pytest.approx(two, rel=1e-6, abs=1e-6)
        assert self.weights.keys() == other.weights.keys()
        for name, weight in self.weights.items():
            assert (weight - other.weights[name]).abs().max() < 1e-6, name


def both_stages(workspace: Workspace, params: Params) -> None:
    for stage in (train_stage1, train_stage2):
        stage.run(workspace, params, InlineDispatcher())


def is_sharded(training: Training) -> bool:
    return all(hasattr(parameter, "full_tensor") for parameter in training.transformer.parameters())


def small(stage: dict[str, Any], **train: Any) -> Params:
    # Samples without photos and without text, in one process or in the other: all must pass the model equally often.
    return tiny_params(steps=3, stage=stage, product_dropout=0.4, text_dropout=0.4, **train)


@pytest.mark.parametrize("way", ["ddp", "fsdp2"])
def test_two_processes_equal_one_with_twice_the_accumulation(workspace: Workspace, way: Ways) -> None:
    optimizer = "adamw" if way == "fsdp2" else "muon"
    both_stages(workspace, small(ALONE, optimizer=optimizer))
    alone = Result.take(workspace)
    assert min(row["grad_norm"] for row in alone.losses) > 0.1
    params = small(TOGETHER, optimizer=optimizer, gradient_checkpointing=way == "fsdp2")

    def work(_: int) -> None:
        step = Training.train_step

        def checked(self: Training) -> dict[str, float]:
            assert is_sharded(self) == (way == "fsdp2")
            return step(self)

        Training.train_step = checked  # type: ignore[method-assign]
        both_stages(workspace, params)

    train_together(2, way, work, workspace.root)
    Result.take(workspace).equals(alone)


def test_muon_on_shards_is_refused_by_every_process(workspace: Workspace) -> None:
    params = tiny_params(optimizer="muon")
    for end, said in run_ranks(2, "fsdp2", lambda _: both_stages(workspace, params), workspace.root):
        assert end == 1
        assert "train.optimizer: muon needs whole matrices, and FSDP2 shards them" in said
