"""Where a training runs does not change its result."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pvtt.dispatch import InlineDispatcher, SlurmDispatcher
from pvtt.dispatch.profile import SlurmProfile
from pvtt.errors import MissingInputError, ParamsError
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.stages import train_stage1
from pvtt.training.runtime import ACCELERATE_CONFIG, accelerate_for
from tests.training.samples import PROJECT, tiny_params


def run_two_processes(module: str, *arguments: str) -> None:
    """As torchrun and a Slurm job of two tasks do: the same command twice, with ranks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=PROJECT,
            env=environment | {"RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def test_sharded_states_become_whole_and_sharded_again() -> None:
    run_two_processes("tests.training.sharded")


def test_a_batch_that_cannot_be_spread_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import Accelerator

    monkeypatch.setattr(Accelerator, "num_processes", 3)
    with pytest.raises(ParamsError, match=r"train\.stage1\.batch_size 4 cannot be spread over 3 processes"):
        train_stage1.run(workspace, tiny_params(), InlineDispatcher())


def test_the_fsdp_configuration_shards_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.utils import FullyShardedDataParallelPlugin

    monkeypatch.setattr(os, "environ", dict(os.environ) | {ACCELERATE_CONFIG: "infra/accelerate/fsdp2.yaml"})
    monkeypatch.chdir(PROJECT)
    with accelerate_for(tiny_params().train, 1):
        assert os.environ["ACCELERATE_USE_FSDP"] == "true"
        plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert plugin.transformer_cls_names_to_wrap == ["ProductTransformerBlock"]


def test_a_wrong_accelerate_configuration_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(ACCELERATE_CONFIG, str(tmp_path / "none.yaml"))
    with pytest.raises(MissingInputError, match=r"none\.yaml does not exist"), accelerate_for(tiny_params().train, 1):
        pass
    (tmp_path / "none.yaml").write_text("mixed_precision: bf16\n")
    with pytest.raises(ParamsError, match="no fsdp_config"), accelerate_for(tiny_params().train, 1):
        pass


def test_a_slurm_job_equals_a_local_run_bit_for_bit(workspace: Workspace, slurm_cluster: SlurmProfile) -> None:
    params = tiny_params(steps=3, validation_pictures=1)
    results = []
    for dispatcher in (InlineDispatcher(), SlurmDispatcher(slurm_cluster, workspace.state / "slurm")):
        train_stage1.run(workspace, params, dispatcher)
        results.append((sha256_tree(workspace.out("train_stage1")), sha256_tree(workspace.metrics)))
        shutil.rmtree(workspace.out("train_stage1"))
    assert results[0] == results[1]
