"""A training whose blocks TorchInductor compiles has the losses of one whose are not, also where it was interrupted.

`pytest tests/benchmarks/test_compile.py -s` prints how long either takes, most of it compilation: minutes on a CPU.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.stages import train_stage1
from pvtt.training.loop import Training
from tests.conftest import require_program
from tests.training.samples import build_workspace, tiny_params

STEPS = 2


class InterruptionError(Exception):
    """The end of a training in its middle."""


def train(workspace: Workspace, compiled: bool) -> None:
    stage = {"checkpoint_every": 1, "validate_every": 1, "trainable": ["*"]}
    start = time.perf_counter()
    train_stage1.run(workspace, tiny_params(STEPS, stage, compile=compiled), InlineDispatcher())
    print(f"\n{'compiled' if compiled else 'eager'}: {time.perf_counter() - start:.0f} s", end="")


def losses(workspace: Workspace) -> list[float]:
    out = workspace.out("train_stage1")
    names = {"loss.csv": ("loss", "loss_region", "grad_norm"), "validation.csv": ("loss", "loss_region")}
    return [
        float(row[column])
        for name, columns in names.items()
        for row in csv.DictReader((out / name).read_text().splitlines())
        for column in columns
    ]


def shapes(workspace: Workspace) -> dict[str, tuple[int, ...]]:
    file = workspace.out("train_stage1") / "model" / "transformer" / "diffusion_pytorch_model.safetensors"
    return {name: tuple(weight.shape) for name, weight in load_file(file).items()}


@pytest.mark.timeout(3600)
def test_a_compiled_training_has_the_eager_ones_losses_also_when_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("g++")
    workspace = build_workspace(tmp_path)
    train(workspace, compiled=False)
    expected, saved = losses(workspace), shapes(workspace)
    train(workspace, compiled=True)
    assert losses(workspace) == pytest.approx(expected, rel=1e-4)
    assert shapes(workspace) == saved

    original, steps = Training.train_step, []

    def train_step(self: Training) -> dict[str, float]:
        steps.append(self.step)
        if steps == [0, 1]:
            raise InterruptionError
        return original(self)

    monkeypatch.setattr(Training, "train_step", train_step)
    with pytest.raises(InterruptionError):
        train(workspace, compiled=True)
    train(workspace, compiled=True)
    assert steps == [0, 1, 1]
    assert losses(workspace) == pytest.approx(expected, rel=1e-4)
