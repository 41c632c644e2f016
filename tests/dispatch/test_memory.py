"""Jobs that take too much memory: whose it was, the host's or the GPU's, stands in the error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pvtt.dispatch import SlurmDispatcher
from pvtt.dispatch.ledger import Ledger
from pvtt.dispatch.profile import load_profile
from pvtt.items.dispatcher import MemoryLimitError
from pvtt.stages.all import PROFILE_PARTS
from tests.dispatch import work
from tests.slurm_cluster import SLURM_FOLDER, cluster

MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")


@pytest.mark.proof  # test_endings.py has what Slurm writes into the log
@pytest.mark.skipif(
    os.geteuid() != 0 or not os.access(MEMORY_GROUPS / "tasks", os.W_OK),
    reason="holding jobs to their memory takes root and control groups v1",
)
def test_a_job_that_is_out_of_memory_says_whose(tmp_path: Path) -> None:
    profile = load_profile(SLURM_FOLDER / "local.yaml", PROFILE_PARTS)
    held = profile.model_copy(update={"run": profile.run.model_copy(update={"memory_gb_per_node": 1})})
    dispatcher = SlurmDispatcher(held, tmp_path / "slurm")
    with cluster(tmp_path / "cluster", LOCAL_CLUSTER_MEMORY="1"):
        with pytest.raises(MemoryLimitError, match="ran out of the host memory") as of_host:
            dispatcher.run(work.fill_memory, 2, name="t")
        assert of_host.value.hint is not None
        assert of_host.value.hint.startswith("raise run.memory_gb_per_node of the Slurm profile")
        with pytest.raises(MemoryLimitError, match="the GPU ran out of memory: CUDA out of memory") as of_gpu:
            dispatcher.run(work.fill_gpu, 20, name="t")
        assert "smaller batch" in str(of_gpu.value.hint)
    states = [each.state for each in Ledger(tmp_path / "slurm" / "jobs.sqlite").submissions()]
    assert states == ["failed", "failed"]
