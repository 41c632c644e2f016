"""The checkpoints of several processes: continued by any number of them, whole after a kill, small in memory."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.models.loading import load_component
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.file import Params
from pvtt.stages import train_stage1
from pvtt.training.checkpoint import Checkpoint, CheckpointStore, rng_state
from pvtt.training.job import TrainJob, training_key
from pvtt.training.loop import Training
from tests.training.endings import end_in_step
from tests.training.ranks import Ways, run_ranks, train_together
from tests.training.samples import tiny_params
from tests.training.test_train import read_rows, transformer_weights

PARAMS = {"optimizer": "adamw", "product_dropout": 0.3}


def small(steps: int = 6, **stage: Any) -> Params:
    return tiny_params(steps, {"batch_size": 4, "checkpoint_every": 2} | stage, **PARAMS)


def run(workspace: Workspace, params: Params) -> None:
    train_stage1.run(workspace, params, InlineDispatcher())


def store_of(workspace: Workspace, params: Params) -> CheckpointStore:
    key = training_key(TrainJob(workspace, "train_stage1", params))
    return CheckpointStore(workspace.checkpoints / "train_stage1", key)


def result_of(workspace: Workspace) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    out = workspace.out("train_stage1")
    result = read_rows(out / "loss.csv"), transformer_weights(out / "model")
    shutil.rmtree(out)
    return result


def assert_close(one: Any, two: Any) -> None:
    for row, expected in zip(one[0], two[0], strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    for name, weight in one[1].items():
        assert (weight - two[1][name]).abs().max() < 1e-3, name


def ended_in_step(step: int, with_signal: signal.Signals, ranks: tuple[int, ...]) -> Callable[[int], None]:
    def end(rank: int) -> None:
        if rank in ranks:
            end_in_step(step, with_signal)

    return end


@pytest.mark.parametrize(
    ("first", "then"), [(("fsdp2", 2), ("alone", 1)), (("alone", 1), ("fsdp2", 2)), (("ddp", 2), ("fsdp2", 2))]
)
def test_a_training_goes_on_with_another_number_of_processes(workspace: Workspace, first: Any, then: Any) -> None:
    """The same samples: the whole history is that of a run that was never stopped."""
    params = small()
    run(workspace, params)
    expected = result_of(workspace)

    def start(way: str, count: int, end: Callable[[int], None] | None) -> list[tuple[int, str]]:
        def work(rank: int) -> None:
            if end is not None:
                end(rank)
            run(workspace, params)

        # One process has no shards, whatever is configured.
        return run_ranks(count, "ddp" if way == "alone" else way, work, workspace.root)

    # A signal that only the first gets ends all, after step 3.
    for code, said in start(*first, ended_in_step(3, signal.SIGTERM, (0,))):
        assert code == -signal.SIGTERM, said
    store = store_of(workspace, params)
    assert store.steps() == [2, 3]
    assert store.is_sharded(3) == (first[1] > 1)
    for code, said in start(*then, None):
        assert code == 0, said
    assert_close(result_of(workspace), expected)
    assert not (workspace.checkpoints / "train_stage1").exists()


def test_a_kill_leaves_the_last_whole_checkpoint_and_a_damaged_one_is_passed_over(workspace: Workspace) -> None:
    params = small()
    run(workspace, params)
    expected = result_of(workspace)

    def killed(rank: int) -> None:
        """Both are gone while the checkpoint of step 6 is being written."""
        from pvtt.training import sharded_checkpoint

        write = sharded_checkpoint._DigestingWriter.write_data

        def write_data(self: Any, plan: Any, planner: Any) -> Any:
            done = write(self, plan, planner)
            if steps[-1] == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        sharded_checkpoint._DigestingWriter.write_data = write_data  # type: ignore[method-assign]
        steps = [0]
        save = Training._save_checkpoint

        def saved(self: Training) -> None:
            steps.append(self.step)
            save(self)

        Training._save_checkpoint = saved  # type: ignore[method-assign]
        run(workspace, params)

    for code, said in run_ranks(2, "fsdp2", killed, workspace.root):
        assert code == -signal.SIGKILL, said
    store = store_of(workspace, params)
    assert store.steps() == [2, 4]
    left = list((workspace.checkpoints / "train_stage1").glob(".tmp-*"))
    assert left != []
    # One byte of the newest is another.
    part = store.path(4, sharded=True) / "__1_0.distcp"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)

    ends = run_ranks(2, "fsdp2", lambda _: run(workspace, params), workspace.root)
    assert [code for code, _ in ends] == [0, 0], ends
    assert f"{part.parent} cannot be read and is ignored: __1_0.distcp is not what was written" in ends[0][1]
    assert "continuing at step 2 of 6" in ends[0][1]
    assert_close(result_of(workspace), expected)


@pytest.mark.parametrize("missing", ["files.json", ".metadata", "state.pt", "__0_0.distcp"])
def test_a_checkpoint_that_lacks_a_file_is_passed_over(workspace: Workspace, missing: str) -> None:
    params = small(steps=4, checkpoint_every=1)

    def stopped(rank: int) -> None:
        end_in_step(3, signal.SIGUSR1)
        run(workspace, params)

    for code, said in run_ranks(2, "fsdp2", stopped, workspace.root):
        assert code == -signal.SIGUSR1, said
    newest = store_of(workspace, params).path(3, sharded=True)
    (newest / missing).unlink()
    # One process reads what two wrote.
    ((code, said),) = run_ranks(1, "ddp", lambda _: run(workspace, params), workspace.root)
    assert code == 0, said
    assert f"{newest} cannot be read and is ignored" in said
    assert "continuing at step 2 of 4" in said


def peak_kib() -> int:
    """The most memory that this process has held, since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def test_a_save_takes_a_copy_of_the_shard_and_no_more(tmp_path: Path) -> None:
    def work(rank: int) -> None:
        from accelerate import Accelerator
        from torch.distributed.tensor import DTensor, init_device_mesh
        from torch.distributed.tensor.placement_types import Shard

        from pvtt.training.processes import Processes
        from pvtt.training.sharded_checkpoint import ShardedCheckpoints

        processes = Processes(Accelerator(cpu=True))
        mesh = init_device_mesh("cpu", (2,))
        checkpoints = ShardedCheckpoints(CheckpointStore(tmp_path / "checkpoints", "a" * 64), processes)

        def tensors(rows: int) -> dict[str, torch.Tensor]:
            parts = [torch.ones(rows, 1 << 10) for _ in range(16)]
            return {
                f"weights.{number}": DTensor.from_local(part, mesh, [Shard(0)]) for number, part in enumerate(parts)
            }

        def save(step: int, parts: dict[str, torch.Tensor]) -> int:
            forget_peak()
            before = peak_kib()
            checkpoints.save(empty_checkpoint(step), parts)
            checkpoints.wait()
            return (peak_kib() - before) << 10

        save(1, tensors(1))  # what a first save loads and allocates stays
        parts = tensors(1 << 10)
        share = sum(part.to_local().nbytes for part in parts.values())  # type: ignore[attr-defined]
        assert share == 64 << 20
        taken = save(2, parts)
        assert taken <= 1.1 * share, taken / share

    train_together(2, "ddp", work, tmp_path)


def empty_checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step=step,
        position=0,
        weights={},
        ema={},
        optimizer={},
        schedule={},
        rng=rng_state(),
        history=[],
        held_out=[],
        machine={},
    )


@pytest.mark.parametrize("way", ["ddp", "fsdp2"])
def test_a_disk_that_does_not_take_a_shard_ends_all_and_leaves_the_last_one(workspace: Workspace, way: Ways) -> None:
    params = small()

    def full(rank: int) -> None:
        from torch.distributed.checkpoint import filesystem

        create = filesystem.FileSystem.create_stream

        def create_stream(self: Any, path: Any, mode: str) -> Any:
            if rank == 1 and mode == "wb" and len(store_of(workspace, params).steps()) == 1:
                raise OSError(28, os.strerror(28), str(path))
            return create(self, path, mode)

        filesystem.FileSystem.create_stream = create_stream
        run(workspace, params)

    for code, said in run_ranks(2, way, full, workspace.root):
        assert code == 1, said
        assert "no space left on the disk while writing" in said
    assert store_of(workspace, params).steps() == [2]
    assert list((workspace.checkpoints / "train_stage1").glob(".tmp-*")) == []


def test_the_best_validated_checkpoint_is_kept_beside_the_last_two(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, "a" * 64)
    held_out: list[dict[str, float]] = []
    for step, loss in ((1, 3.0), (2, 1.0), (3, 2.0), (4, 2.5), (5, 0.5), (6, 4.0), (7, 4.0)):
        held_out += [{"step": step, "loss": loss}, {"step": step, "loss": loss}]
        checkpoint = empty_checkpoint(step)
        store.save(Checkpoint(**(vars(checkpoint) | {"held_out": list(held_out)})))
        if step == 4:
            assert store.steps() == [2, 3, 4]
    assert store.steps() == [5, 6, 7]


def test_a_result_of_many_files_is_read_as_one(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvtt.training.result.MAX_FILE", "50KB")
    params = small(steps=1)
    train_together(2, "fsdp2", lambda _: run(workspace, params), workspace.root)
    folder = workspace.out("train_stage1") / "model" / "transformer"
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) > 2
    assert max(file.stat().st_size for file in files) < 60_000
    model = load_component(folder, ProductVideoTransformer)
    written = {name: tensor for file in files for name, tensor in load_file(file).items()}
    assert {name for name, _ in model.named_parameters()} == set(written)
    shutil.rmtree(workspace.out("train_stage1"))
    monkeypatch.undo()
    run(workspace, params)
    for name, tensor in transformer_weights(workspace.out("train_stage1") / "model").items():
        assert (tensor - written[name]).abs().max() < 1e-6, name


def test_what_changed_is_said_where_a_training_cannot_be_continued(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    params = small()

    def stopped(rank: int) -> None:
        end_in_step(3, signal.SIGTERM)
        run(workspace, params)

    ((code, said),) = run_ranks(1, "ddp", stopped, workspace.root)
    assert code == -signal.SIGTERM, said
    assert "another training" not in said
    sample = workspace.out("encode") / "samples" / "TRAIN000_001.safetensors"
    data = bytearray(sample.read_bytes())
    data[-1] ^= 1
    sample.write_bytes(data)
    run(workspace, tiny_params(6, {"batch_size": 2, "checkpoint_every": 2}, **(PARAMS | {"loss": {"region": 2.0}})))
    said = capsys.readouterr().err
    assert "train_stage1: starts anew, since the checkpoints here are of another training" in said
    assert "changed: train.loss.region (was 6.0, is 2.0), " in said
    assert "train.stage1.batch_size (was 4, is 2), the data in outs/encode\n" in said
    assert "continuing" not in said
