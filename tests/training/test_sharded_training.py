"""Two processes, whole models or shards of one, train as one process with twice the accumulation does."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.stages import train_stage1, train_stage2
from pvtt.training.held_out import HeldOut
from pvtt.training.loop import Training
from tests.training.ranks import Ways, run_ranks, train_together
from tests.training.samples import tiny_params, write_encoded
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


@pytest.mark.parametrize("way", [pytest.param("ddp", marks=pytest.mark.proof), "fsdp2"])
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


def spoil(path: Path, name: str, value: float) -> None:
    tensors = load_file(path)
    tensors[name][:] = value
    save_file(tensors, path)


@pytest.mark.parametrize("way", ["ddp", "fsdp2"])
def test_a_loss_that_is_not_finite_ends_all_processes_and_names_the_samples(workspace: Workspace, way: Ways) -> None:
    for number in (1, 4):
        spoil(workspace.out("encode") / "samples" / f"TRAIN00{number}_001.safetensors", "latents", torch.nan)
    # An epoch a step: both are in the first, three samples a process.
    params = tiny_params(1, {"batch_size": 6}, optimizer="adamw")
    for end, said in run_ranks(
        2, way, lambda _: train_stage1.run(workspace, params, InlineDispatcher()), workspace.root
    ):
        assert end == 1, said
        assert re.search(
            r"PvttError: train_stage1: the loss is not finite at step 1, for TRAIN00[14]_001, TRAIN00[14]_001\n", said
        ), said


def test_what_one_process_cannot_read_ends_all(workspace: Workspace) -> None:
    path = workspace.out("encode") / "samples" / "TRAIN003_001.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    params = tiny_params(1, {"batch_size": 6}, optimizer="adamw")
    said = [
        text
        for end, text in run_ranks(
            2, "fsdp2", lambda _: train_stage1.run(workspace, params, InlineDispatcher()), workspace.root
        )
        if end == 1
    ]
    assert len(said) == 2
    assert all("TRAIN003_001.safetensors" in text for text in said), said


@pytest.mark.parametrize(
    ("term", "name", "value", "place"),
    [
        ("region", "region", 0.0, "the product region"),
        ("hole", "mask", 0.0, "the hole"),
        ("inside", "mask", 0.0, "the hole"),
        ("outside", "mask", 1.0, "the place outside the hole"),
    ],
)
def test_an_empty_mask_of_a_loss_that_is_on_is_an_error(
    workspace: Workspace, term: str, name: str, value: float, place: str
) -> None:
    spoil(workspace.out("encode") / "samples" / "TRAIN002_001.safetensors", name, value)
    off = {"region": 0.0, "hole": 0.0}
    stage = {"batch_size": 6}
    with pytest.raises(PvttError, match=rf"train\.loss\.{term} is on, and {place} is empty in TRAIN002_001$"):
        train_stage1.run(workspace, tiny_params(1, stage, loss=off | {term: 1.0}), InlineDispatcher())
    train_stage1.run(workspace, tiny_params(1, stage, loss=off), InlineDispatcher())


@pytest.mark.parametrize("num_samples", [1, 5])
def test_held_out_samples_are_spread_over_processes(workspace: Workspace, num_samples: int) -> None:
    """Five in batches of four: the last is the first process's alone."""
    shutil.rmtree(workspace.out("encode"))
    write_encoded(workspace.out("encode"), {"train": 4, "val": num_samples})
    params = tiny_params(1, {"batch_size": 4}, optimizer="adamw")
    train_stage1.run(workspace, params, InlineDispatcher())
    alone = read_rows(workspace.out("train_stage1") / "validation.csv")
    passed = workspace.root / "passed"

    def work(rank: int) -> None:
        collate = HeldOut._collate
        kept: list[int] = []

        def counted(self: HeldOut, draws: Any) -> Any:
            kept.append(len(draws))
            return collate(self, draws)

        HeldOut._collate = counted  # type: ignore[method-assign]
        train_stage1.run(workspace, params, InlineDispatcher())
        passed.with_suffix(f".{rank}").write_text(str(sum(kept)))

    train_together(2, "fsdp2", work, workspace.root)
    rows = read_rows(workspace.out("train_stage1") / "validation.csv")
    for row, expected in zip(rows, alone, strict=True):
        assert row == pytest.approx(expected, rel=1e-5)
    # Five noise levels, before and after the step.
    counts = [int(passed.with_suffix(f".{rank}").read_text()) for rank in (0, 1)]
    assert counts == ([30, 30] if num_samples == 5 else [10, 10])
