"""Weights & Biases' offline record, as the installed version writes it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.stages import train_stage1
from pvtt.training.job import TrainJob, training_key
from pvtt.training.log import TrainingLog
from tests.training.endings import end_in_step
from tests.training.ranks import run_ranks
from tests.training.samples import tiny_params
from tests.training.test_train import read_rows
from tests.training.wandb_record import rows_of, run_id_of


def parts_of(workspace: Workspace) -> list[Path]:
    paths = (workspace.state / "wandb").glob("offline-run-*/run-*.wandb")
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns)


def logged(path: Path) -> tuple[dict[int, float], dict[int, int]]:
    """The loss of each step, and the number of validation losses of each."""
    losses: dict[int, float] = {}
    held_out: dict[int, int] = {}
    for row in rows_of(path):
        step = row["_step"]
        if "train/loss" in row:
            losses[step] = row["train/loss"]
        held_out[step] = held_out.get(step, 0) + sum(name.startswith("validation/") for name in row)
    return losses, {step: count for step, count in held_out.items() if count}


def test_a_stopped_and_a_killed_training_are_one_run_without_a_gap(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    params = tiny_params(5, wandb="offline")

    def work(step: int, number: signal.Signals) -> Any:
        def end(rank: int) -> None:
            end_in_step(step, number)
            train_stage1.run(workspace, params, InlineDispatcher())

        return end

    said = []
    for step, number in ((1, signal.SIGTERM), (4, signal.SIGKILL)):
        ((code, text),) = run_ranks(1, "ddp", work(step, number), workspace.root)
        assert code == -number, text
        said.append(text)
    # The part that was asked to end has all its rows, though its process ended by the signal.
    losses, held_out = logged(parts_of(workspace)[0])
    assert (sorted(losses), held_out) == ([1], {0: 5})

    train_stage1.run(workspace, params, InlineDispatcher())
    said.append(capsys.readouterr().err)
    assert not any("W&B is off" in text for text in said), said
    parts = parts_of(workspace)
    key = training_key(TrainJob(workspace, "train_stage1", params))
    assert {run_id_of(path) for path in (parts[0], parts[-1])} == {f"train_stage1-{key[:16]}"}
    # The newest is the whole run.
    losses, held_out = logged(parts[-1])
    rows = read_rows(workspace.out("train_stage1") / "loss.csv")
    assert losses == {int(row["step"]): row["loss"] for row in rows}
    assert held_out == {0: 5, 3: 5, 5: 5}


def test_what_is_logged_after_a_finish_is_another_part_of_the_run(tmp_path: Path) -> None:
    with TrainingLog("offline", tmp_path, "train_stage1", "train_stage1-abc", {"seed": 1}) as log:
        log.log({"train/loss": 1.0}, 1)
        log.finish()
        (first,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
        assert [row["train/loss"] for row in rows_of(first)] == [1.0]
        log.log({"train/loss": 0.5}, 2)
    last = max((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    assert [row["train/loss"] for row in rows_of(last)][-1] == 0.5
    assert run_id_of(last) == "train_stage1-abc"


def test_a_log_that_fails_is_said_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import wandb

    def refuse(**_: Any) -> Any:
        raise RuntimeError("no service")

    monkeypatch.setattr(wandb, "init", refuse)
    with TrainingLog("offline", tmp_path, "train_stage1", "train_stage1-abc", {}) as log:
        log.log({"train/loss": 1.0}, 1)
        log.log({"train/loss": 1.0}, 2)
    assert capsys.readouterr().err.count("W&B is off for this training: no service") == 1
