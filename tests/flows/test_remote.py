"""What a commit points at is on the remote first, and another clone needs nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.pipeline import pipeline
from flows.remote import Push, default_remote
from tests.flows.conftest import Project


def dvc(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def test_a_second_clone_pulls_what_a_nightly_run_made_and_has_nothing_to_do(
    project: Project, prefect_api: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dvc(project.root, "remote", "add", "--quiet", "--default", "store", str(tmp_path / "disk" / "store"))
    (tmp_path / "disk").write_text("no folder: the disk is not there")
    project.git("commit", "-q", "-a", "-m", "A remote")
    pipeline(ingest=False, commit=True)

    out = capsys.readouterr().out
    assert "verdict: success" in out
    assert "Repeat it with `dvc push --remote store`" in out
    assert "`dvc push --remote store` repeats it" in project.git("log", "-1", "--format=%b")

    (tmp_path / "disk").unlink()
    params = project.workspace.params_file
    params.write_text(params.read_text().replace("min_photos: 3", "min_photos: 2"))
    pipeline(ingest=False, commit=True)

    assert "push" not in capsys.readouterr().out
    assert project.git("log", "-1", "--format=%b") == ""
    project.git("commit", "-q", "-a", "-m", "Params")
    project.git("clone", "-q", str(project.root), str(tmp_path / "clone"))
    shutil.rmtree(project.root / ".dvc" / "cache")
    dvc(tmp_path / "clone", "pull")
    assert "Data and pipelines are up to date" in dvc(tmp_path / "clone", "repro")
    for kept in ("data/products/JEWE001/note.txt", "outs/decide/result.txt"):
        assert (tmp_path / "clone" / kept).read_bytes() == (project.root / kept).read_bytes()


def test_the_default_remote_is_the_one_that_dvc_takes(project: Project) -> None:
    assert default_remote(project.workspace) is None
    local = """[core]\n    remote = mine\n['remote "mine"']\n    url = /some/disk\n"""
    (project.root / ".dvc" / "config.local").write_text(local)
    assert default_remote(project.workspace) == "mine"


def test_the_words_of_a_push() -> None:
    assert Push("data/", "store").message("Run 1: success") == "Run 1: success"
    assert Push("data/", "store").warning is None
    assert "lost" in (Push("data/", None).warning or "")
