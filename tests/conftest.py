"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pvtt.files.heap import keep_freed_memory

if TYPE_CHECKING:
    from tests.evaluated import EvaluatedProject

from tests.schedule import (  # noqa: F401  # hooks
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_xdist_make_scheduler,
)
from tests.slurm_cluster import slurm_cluster  # noqa: F401  # a fixture

ROOT = Path(__file__).resolve().parents[1]

keep_freed_memory()  # as the commands do

settings.register_profile("busy", deadline=None)  # no test depends on the clock
settings.load_profile("busy")

# Processes side by side have a core each: threads that wait for each other's cores take longer than one thread.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(variable, "1")


# A shell's background job ignores Ctrl-C, what `nohup` starts a hang-up, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def require_program(name: str) -> str:
    """The path of a program; skips the test where it is missing, fails it in CI."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        message = f"{name} is not installed (`make system-packages` installs it)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread for torch, here and in processes that the test starts."""
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout that the tests belong to."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Optional real material beside the checkout; tests that use it skip where it is missing."""
    path = ROOT.parent / "shared" / "data"
    if not (path / "MANIFEST.md").is_file():
        pytest.skip("../shared/data is not there: this test uses real material that is not part of the project")
    return path


@pytest.fixture(scope="session")
def evaluated_project(tmp_path_factory: pytest.TempPathFactory) -> EvaluatedProject:
    """A small workspace after `evaluate`, made once; copy it before changing it."""
    from tests.evaluated import build_evaluated_project

    return build_evaluated_project(tmp_path_factory.mktemp("evaluated"))


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this container may not mount a tmpfs")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)
