"""A pytest plugin: a real one-machine Slurm, started once a session and only where a test asks for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pvtt.dispatch.profile import SlurmProfile, load_profile
from pvtt.stages.all import PROFILE_PARTS

SLURM_FOLDER = Path(__file__).resolve().parents[1] / "infra" / "slurm"


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmProfile]:
    """Starts `infra/slurm/local-cluster` and yields the profile for it; `SLURM_CONF` is set until the session ends."""
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield load_profile(SLURM_FOLDER / "local.yaml", PROFILE_PARTS)


@contextmanager
def cluster(folder: Path, **environment: str) -> Iterator[None]:
    """A cluster with its files in `folder` for the block; `SLURM_CONF` is set as long."""
    from tests.conftest import require_program

    for program in ("munged", "slurmctld", "slurmd", "sbatch"):
        require_program(program)
    # The cluster lives as long as its standard input, so a killed test session leaves none behind.
    command = [str(SLURM_FOLDER / "local-cluster"), "run", str(folder), "sh", "-c", "echo ready; exec cat"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=os.environ | environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != "ready\n":
            pytest.fail(process.stderr.read())
        before = os.environ.get("SLURM_CONF")
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
        try:
            yield
        finally:
            if before is None:
                del os.environ["SLURM_CONF"]
            else:
                os.environ["SLURM_CONF"] = before
            process.stdin.close()
            process.wait(timeout=60)
