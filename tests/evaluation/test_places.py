"""The smaller version of `test_end_to_end.py`'s second clone: encoding and evaluation in two folders."""

from __future__ import annotations

from pathlib import Path

from pvtt.dispatch.local import LocalDispatcher
from pvtt.files.workspace import Workspace
from pvtt.records.evaluation import read_run
from tests.evaluated import EvaluatedProject, build_evaluated_project


def made(workspace: Workspace) -> dict[str, bytes]:
    """What DVC would keep of it, and the metrics."""
    stages = [*workspace.out("encode").rglob("*"), *workspace.out("evaluate").rglob("*")]
    files = [*stages, workspace.metrics / "evaluate.json"]
    return {path.relative_to(workspace.root).as_posix(): path.read_bytes() for path in files if path.is_file()}


def test_two_folders_and_two_processes_make_one_run_id_and_the_same_bytes(
    evaluated_project: EvaluatedProject, tmp_path: Path
) -> None:
    one = evaluated_project.workspace
    other = build_evaluated_project(tmp_path / "another" / "place", LocalDispatcher(2)).workspace
    assert read_run(one.out("evaluate") / "run.json").run_id == read_run(other.out("evaluate") / "run.json").run_id
    first, second = made(one), made(other)
    assert "metrics/evaluate.json" in first
    assert len(first) > 60
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
