"""Workers and jobs run the code of the process that sent the work, or nothing."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from pvtt.dispatch.profile import SlurmProfile
from tests.own_code import STAGE, OwnCode, own_code

# Work that edits the code it came with, as a person would while jobs wait.
EDITING = """
import sys
from pathlib import Path
from pvtt.dispatch import LocalDispatcher
from pvtt.params.photos import PhotosParams

def edit(params):
    file = Path(sys.modules[PhotosParams.__module__].__file__)
    file.write_text(file.read_text() + "# edited\\n")

if __name__ == "__main__":
    LocalDispatcher(1).map(edit, [PhotosParams(), PhotosParams()], name="t")
"""


@pytest.fixture
def second(project_root: Path, tmp_path: Path) -> OwnCode:
    """A second clone; the first is the one that is installed in this virtual environment."""
    return own_code(project_root, tmp_path / "second", "the second clone")


def write_profile(folder: Path, project_root: Path, *lines: str) -> str:
    """A profile for the test cluster with more lines; the value of `PVTT_DISPATCH`."""
    path = folder / "profile.yaml"
    path.write_text((project_root / "infra" / "slurm" / "local.yaml").read_text() + "\n".join(lines))
    return str(path)


def write_python(folder: Path, root: Path) -> Path:
    """A virtual environment that imports the `pvtt` below `root`, as the nodes' own may; its folder."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\ncd / && PYTHONPATH={root} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return folder


def test_a_worker_process_runs_the_workspace_s_own_code(second: OwnCode) -> None:
    ran = second.run("pvtt", "photos", PVTT_DISPATCH="local:1")
    assert ran.returncode == 0, ran.stderr
    assert "by the second clone" in second.written()


def test_a_worker_refuses_code_that_changed_after_its_work_was_sent(second: OwnCode) -> None:
    (second.root / "editing.py").write_text(EDITING)
    ran = second.run("python", "editing.py")
    file = "pvtt/params/photos.py"
    assert f"ForeignCodeError: {file} in {second.root} changed after this work was submitted" in ran.stderr
    assert (second.root / file).read_text().count("# edited") == 1  # by the first worker only


@pytest.mark.parametrize("setup", ["[]", "[unset PYTHONPATH, cd /]"])
def test_a_slurm_task_runs_the_workspace_s_own_code(
    second: OwnCode, slurm_cluster: SlurmProfile, project_root: Path, tmp_path: Path, setup: str
) -> None:
    profile = write_profile(tmp_path, project_root, f"setup: {setup}")
    ran = second.run("pvtt", "photos", PVTT_DISPATCH=profile)
    assert ran.returncode == 0, ran.stderr
    assert "by the second clone" in second.written()


def test_a_node_s_equal_copy_will_do(
    second: OwnCode, slurm_cluster: SlurmProfile, project_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(second.root / "pvtt", tmp_path / "mount" / "pvtt")
    venv = write_python(tmp_path / "venv", tmp_path / "mount")
    ran = second.run("pvtt", "photos", PVTT_DISPATCH=write_profile(tmp_path, project_root, f"venv: {venv}"))
    assert ran.returncode == 0, ran.stderr
    assert "by the second clone" in second.written()


def test_a_node_with_other_code_runs_nothing(
    second: OwnCode, slurm_cluster: SlurmProfile, project_root: Path, tmp_path: Path
) -> None:
    third = own_code(project_root, tmp_path / "third", "the third clone")
    venv = write_python(tmp_path / "venv", third.root)
    ran = second.run("pvtt", "photos", PVTT_DISPATCH=write_profile(tmp_path, project_root, f"venv: {venv}"))
    assert ran.returncode == 8
    *_, message, hint = ran.stderr.splitlines()
    assert message == (
        f"pvtt: this work's pvtt is imported from {third.root}, its project is {second.root}, and {STAGE} differs"
    )
    assert hint.startswith("  next: ")
    assert not second.written()
    assert not list(second.workspace.cache.rglob("result.json"))
