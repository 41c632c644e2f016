"""A run that is killed, again and again, ends as one that is not: the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.models.conditioning.parts import PARTS
from pvtt.params.file import Params
from pvtt.stages import train_stage1
from pvtt.training.checkpoint import Checkpoint, CheckpointStore, rng_state, set_rng_state
from pvtt.training.job import TrainJob, quick_sha256_tree, training_key
from tests.forked import fork
from tests.training.endings import end_in_checkpoint, end_in_step
from tests.training.samples import tiny_params, write_encoded

STEPS = 7


@dataclass(frozen=True)
class Ended:
    """How a child process ended: its exit code, negative by a signal, and what it said."""

    code: int
    said: str


def run_in_child(workspace: Workspace, params: Params, end: Callable[[], None]) -> Ended:
    """Run the stage in a copy of this process that is as this one is, and is ended in its middle by a real signal.

    Args:
        workspace: Whose stage it is.
        params: Its params.
        end: Called in the child: says where it ends.
    """
    log = workspace.root / "stderr.log"
    child = fork()
    if child == 0:
        try:
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), sys.__stderr__.fileno())
            sys.stderr = os.fdopen(os.dup(sys.__stderr__.fileno()), "w", buffering=1)
            end()
            train_stage1.run(workspace, params, InlineDispatcher())
        finally:
            os._exit(1)
    return Ended(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), log.read_text())


def saved_steps(workspace: Workspace) -> list[int]:
    key = training_key(TrainJob(workspace, "train_stage1", tiny_params(STEPS)))
    return CheckpointStore(workspace.checkpoints / "train_stage1", key).steps()


def test_killed_runs_end_as_an_uninterrupted_one(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    params = tiny_params(STEPS)
    # Asked to end in step 1: the step is finished and saved.
    ended = run_in_child(workspace, params, lambda: end_in_step(1, signal.SIGTERM))
    assert ended.code == -signal.SIGTERM, ended.said
    assert "stopped after step 1" in ended.said
    assert saved_steps(workspace) == [1]
    # Killed in step 4: the checkpoint of step 2 stands.
    ended = run_in_child(workspace, params, lambda: end_in_step(4, signal.SIGKILL))
    assert ended.code == -signal.SIGKILL, ended.said
    assert "continuing at step 1 of 7" in ended.said
    assert saved_steps(workspace) == [1, 2]
    # Killed while the checkpoint of step 6 is half written.
    ended = run_in_child(workspace, params, lambda: end_in_checkpoint(6, signal.SIGKILL))
    assert ended.code == -signal.SIGKILL, ended.said
    assert "continuing at step 2 of 7" in ended.said
    assert saved_steps(workspace) == [2, 4]

    train_stage1.run(workspace, params, InlineDispatcher())
    assert "continuing at step 4 of 7" in capfd.readouterr().err
    resumed = sha256_tree(workspace.out("train_stage1")), sha256_tree(workspace.metrics)
    assert not (workspace.checkpoints / "train_stage1").exists()

    train_stage1.run(workspace, params, InlineDispatcher())
    assert "continuing" not in capfd.readouterr().err
    assert (sha256_tree(workspace.out("train_stage1")), sha256_tree(workspace.metrics)) == resumed


@pytest.mark.parametrize("name", list(PARTS))
def test_a_killed_run_of_every_conditioning_ends_as_an_uninterrupted_one(workspace: Workspace, name: str) -> None:
    shutil.rmtree(workspace.out("encode"))
    write_encoded(workspace.out("encode"), {"train": 4}, num_variants=2, extras=True)
    params = tiny_params(3, {"checkpoint_every": 1, "validate_every": 3, "trainable": ["*"]}, conditioning=[name])
    ended = run_in_child(workspace, params, lambda: end_in_step(2, signal.SIGKILL))
    assert ended.code == -signal.SIGKILL, ended.said
    store = CheckpointStore(
        workspace.checkpoints / "train_stage1", training_key(TrainJob(workspace, "train_stage1", params))
    )
    assert store.steps() == [1]
    train_stage1.run(workspace, params, InlineDispatcher())
    resumed = sha256_tree(workspace.out("train_stage1")), sha256_tree(workspace.metrics)

    train_stage1.run(workspace, params, InlineDispatcher())
    assert (sha256_tree(workspace.out("train_stage1")), sha256_tree(workspace.metrics)) == resumed


def checkpoint_at(step: int) -> Checkpoint:
    return Checkpoint(
        step=step,
        position=4 * step,
        weights={"gate": torch.full((2,), float(step))},
        ema={},
        optimizer={},
        schedule={},
        rng=rng_state(),
        history=[{"step": 1, "loss": 0.1 + 0.2}],
        held_out=[],
        machine={"threads": 1},
    )


def test_the_last_two_checkpoints_are_kept_and_a_damaged_one_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = CheckpointStore(tmp_path, "a" * 64)
    for step in (2, 4, 6):
        store.save(checkpoint_at(step))
    assert store.steps() == [4, 6]
    latest = store.load_latest()
    assert latest is not None
    assert (latest.step, latest.position, latest.history) == (6, 24, [{"step": 1, "loss": 0.30000000000000004}])
    newest = tmp_path / f"{'a' * 16}-00000006.pt"
    newest.write_bytes(newest.read_bytes()[:100])
    before = store.load_latest()
    assert before is not None
    assert before.step == 4
    assert f"{newest} cannot be read" in capsys.readouterr().err


def test_another_runs_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, "a" * 64).save(checkpoint_at(2))
    other = CheckpointStore(tmp_path, "b" * 64)
    assert other.load_latest() is None
    other.clear()
    assert not tmp_path.exists()


def test_the_key_follows_what_the_result_depends_on(workspace: Workspace) -> None:
    def key(steps: int = 4, **changes: Any) -> str:
        return training_key(TrainJob(workspace, "train_stage1", tiny_params(steps, **changes)))

    first = key()
    assert key() == first
    assert key(stage={"checkpoint_every": 1}) == first
    assert key(wandb="offline") == first
    assert key(stage={"lr": 1e-4}) != first
    assert key(product_dropout=0.5) != first
    sample = workspace.out("encode") / "samples" / "TRAIN000_001.safetensors"
    data = bytearray(sample.read_bytes())
    data[-1] ^= 1
    sample.write_bytes(data)
    assert key() != first


def test_the_quick_hash_of_a_large_file_sees_its_ends_and_its_size(tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    prints = []
    for change in ({}, {0: 1}, {999_999: 1}):
        data = bytearray(1_000_000)
        for place, value in change.items():
            data[place] = value
        file.write_bytes(data)
        prints.append(quick_sha256_tree(tmp_path))
    file.write_bytes(bytes(1_000_001))
    prints.append(quick_sha256_tree(tmp_path))
    assert len(set(prints)) == 4


def test_generators_continue_where_they_were() -> None:
    import random

    import numpy as np

    state = rng_state()
    drawn = random.random(), float(np.random.random()), float(torch.rand(()))
    set_rng_state(state)
    assert (random.random(), float(np.random.random()), float(torch.rand(()))) == drawn
