"""What ran is what was hashed: a workspace's own code runs, though the virtual environment holds another copy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pvtt.files.workspace import Workspace
from tests.own_code import OwnCode, own_code, under_dvc


@pytest.fixture
def second(project_root: Path, tmp_path: Path) -> OwnCode:
    """A second clone; the first is the one that is installed in this virtual environment."""
    return own_code(project_root, tmp_path / "second", "the second clone")


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        (["pvtt", "photos"], "."),
        (["pvtt", "photos"], "data/products"),
        (["python", "-m", "pvtt.cli", "photos"], "data"),
    ],
)
def test_a_second_clone_runs_its_own_code(second: OwnCode, command: list[str], folder: str) -> None:
    ran = second.run(*command, folder=folder)
    assert ran.returncode == 0, ran.stderr
    assert "by the second clone" in second.written()


def test_another_copy_on_the_path_does_not_come_first(second: OwnCode, project_root: Path, tmp_path: Path) -> None:
    third = own_code(project_root, tmp_path / "third", "the third clone")
    ran = second.run("pvtt", "photos", PYTHONPATH=f"{third.root}{os.pathsep}{tmp_path}")
    assert ran.returncode == 0, ran.stderr
    assert "by the second clone" in second.written()


def test_a_workspace_without_code_runs_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("profile: [")
    ran = OwnCode(Workspace(tmp_path)).run("pvtt", "params")
    assert ran.returncode == 2
    assert "params.yaml" in ran.stderr


def test_a_linked_package_is_the_workspace_s_own(second: OwnCode, project_root: Path, tmp_path: Path) -> None:
    linked = OwnCode(Workspace(tmp_path / "linked"))
    linked.root.mkdir()
    (linked.root / "pvtt").symlink_to(second.root / "pvtt")
    (linked.root / "params.yaml").write_text((second.root / "params.yaml").read_text())
    code = "import os, pvtt.cli.main as cli; os.execve = None; cli.main()"
    ran = linked.run("python", "-c", code, "--version", PYTHONPATH=str(second.root))
    assert ran.returncode == 0, ran.stderr


def test_where_its_own_code_cannot_run_one_line_says_so_and_nothing_runs(second: OwnCode, project_root: Path) -> None:
    ran = second.run("python", "-I", "-m", "pvtt.cli", "photos")  # isolated from PYTHONPATH
    assert ran.returncode == 8
    message, hint = ran.stderr.splitlines()
    assert message.startswith("pvtt: pvtt is imported from ")
    assert message.endswith(f", this project is {second.root}")
    assert hint.startswith(f"  next: run `PYTHONPATH={second.root} ")
    assert not second.workspace.state.exists()
    assert not second.workspace.out("photos").exists()


def test_a_flow_below_a_second_clone_runs_its_own_code(second: OwnCode, project_root: Path) -> None:
    (second.root / "flows").symlink_to(project_root / "flows")
    code = "from flows.console import exit_with_errors\nwith exit_with_errors(): import pvtt; print(pvtt.__file__)"
    ran = second.run("python", "-c", code, folder="data")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{second.root / 'pvtt' / '__init__.py'}\n"


def experiment_temp(project: OwnCode) -> str:
    ran = project.run("dvc", "exp", "run", "--temp")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def experiment_queue(project: OwnCode) -> str:
    for command in (["exp", "run", "--queue", "--name", "queued"], ["queue", "start"]):
        ran = project.run("dvc", *command)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    end = time.monotonic() + 200
    while not project.run("git", "for-each-ref", "refs/exps/*/*/queued").stdout:  # its result is kept
        assert time.monotonic() < end, project.run("dvc", "queue", "logs", "queued").stdout
        time.sleep(0.2)
    return project.run("dvc", "queue", "logs", "queued").stdout


@pytest.mark.parametrize("experiment", [pytest.param(experiment_temp, marks=pytest.mark.proof), experiment_queue])
def test_an_experiment_runs_its_own_text_on_the_home_s_item_cache(
    project_root: Path, tmp_path: Path, experiment: Callable[[OwnCode], str]
) -> None:
    project = under_dvc(own_code(project_root, tmp_path / "project", "the committed text"))
    project.write_text("the edited text")

    assert "1 of 1 items were new" in experiment(project)
    assert not project.written()  # it did not work in the checkout itself

    ran = project.run("dvc", "exp", "run", "--force")
    assert "0 of 1 items were new" in ran.stdout + ran.stderr
    assert "by the edited text" in project.written()


def test_a_temporary_copy_shares_its_home_s_item_cache_and_nothing_else(tmp_path: Path) -> None:
    home = Workspace(tmp_path)
    for place in ("standalone/tmp1", "tmp2", "tmp3/inner"):
        copy = Workspace(tmp_path / ".dvc" / "tmp" / "exps" / place)
        assert copy.home == home.root
        assert copy.cache == home.cache
        assert copy.state == copy.root / ".pvtt"
    assert Workspace(tmp_path / "tmp" / "exps" / "tmp1").home == tmp_path / "tmp" / "exps" / "tmp1"
