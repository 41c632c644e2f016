"""A training that torchrun or `accelerate launch` starts as several processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from pvtt.cli.stage import run_stage
from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.stages import encode, train_stage1
from tests.training.samples import PROJECT, tiny_params
from tests.training.test_train import read_rows, transformer_weights


def test_a_launcher_starts_a_training_as_two_processes(workspace: Workspace) -> None:
    params = tiny_params(steps=2)
    train_stage1.run(workspace, params, InlineDispatcher())
    out = workspace.out("train_stage1")
    alone, weights = read_rows(out / "loss.csv"), transformer_weights(out / "model")
    shutil.rmtree(out)
    workspace.params_file.write_text(params.model_dump_json(by_alias=True))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ended = subprocess.run(
        [*launcher, "-m", "pvtt.cli.main", "train_stage1"],
        cwd=workspace.root,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "PVTT_DISPATCH": "local"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for row, expected in zip(read_rows(out / "loss.csv"), alone, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    for name, weight in transformer_weights(out / "model").items():
        assert (weight - weights[name]).abs().max() < 1e-3, name


def test_other_stages_are_no_work_for_processes_that_act_as_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.params_file.write_text(tiny_params(steps=2).model_dump_json(by_alias=True))
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(PvttError, match="encode was started as 2 processes that act as one") as raised:
        run_stage(encode.STAGE)
    assert "PVTT_DISPATCH says how many processes share its items" in raised.value.hint
