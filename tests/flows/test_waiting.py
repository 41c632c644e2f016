"""Who is at work in a checkout is waited for; what a dead process left is cleared; nothing else is touched."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zc.lockfile

from flows.at_work import find_work
from flows.graph import read_graph
from flows.pipeline import pipeline
from flows.waiting import Patience
from pvtt.errors import LockedError, PvttError
from pvtt.files.lock import hold_lock
from tests.flows.conftest import Project

GO_ON = "go-on"


def rwlock(project: Project) -> Path:
    return project.root / ".dvc" / "tmp" / "rwlock"


def lock_outputs(project: Project, pid: int, stage: str = "clip") -> Path:
    """Write what DVC writes before it runs a stage."""
    info = {"pid": pid, "cmd": f"/usr/bin/dvc repro {stage}"}
    path = rwlock(project)
    path.parent.mkdir(parents=True, exist_ok=True)
    data, out = str(project.workspace.data), str(project.workspace.out(stage))
    path.write_text(json.dumps({"write": {out: info}, "read": {data: [info]}}))
    return path


@contextmanager
def researcher(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A person's `dvc repro clip`, whose stage works until the file `go-on` is there."""
    dvc_yaml = project.root / "dvc.yaml"
    command = "python stage.py clip data"
    waiting = f"touch started; until [ -e {GO_ON} ]; do sleep 0.1; done; {command}"
    dvc_yaml.write_text(dvc_yaml.read_text().replace(command, waiting))
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "clip"],
        env=project.environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while not (project.root / "started").exists():
            assert process.poll() is None
        try:
            yield process
        finally:
            (project.root / GO_ON).touch()
            process.communicate(timeout=60)


def test_a_flow_waits_for_a_person_s_stage_and_takes_its_result(
    project: Project, prefect_api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def release(line: str) -> None:
        said.append(line)
        (project.root / GO_ON).touch()

    with researcher(project) as dvc:
        with pytest.raises(LockedError, match=rf"clip \(process {dvc.pid}, since \S+\) still works") as caught:
            pipeline(ingest=False, wait_hours=0)
        assert "rwlock" not in f"{caught.value.message} {caught.value.hint}"
        graph = Patience(project.workspace, release).graph()

    assert re.fullmatch(rf"clip \(process {dvc.pid}, since \S+\) still works: waiting", said[0])
    assert said[-1] == "clip: no longer at work, going on"
    assert graph.changed == {"photos", "decide"}
    pipeline(ingest=False)
    assert [project.runs(stage) for stage in ("clip", "photos", "decide")] == [1, 1, 1]
    assert "clip    up to date" in capsys.readouterr().err


def test_a_stage_that_somebody_starts_in_between_is_waited_for(project: Project) -> None:
    """The lock is taken after the look and before the command."""
    looks = 0

    class Late(Patience):
        def for_work(self) -> bool:
            nonlocal looks
            looks += 1
            if looks > 1:
                (project.root / GO_ON).touch()
                return super().for_work()
            return False

    with researcher(project):
        Late(project.workspace, print).run_dvc("photos", ["repro", "--single-item", "clip"])

    assert looks > 1
    assert project.runs("clip") == 1


@pytest.mark.parametrize("end", ["gone", "not yet reaped", "its number is another's"])
def test_the_lock_of_a_dead_process_is_cleared_in_words(project: Project, end: str) -> None:
    with subprocess.Popen(["sleep", "0" if end != "its number is another's" else "60"]) as process:
        if end == "gone":
            process.wait()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) if end == "not yet reaped" else None
        lock = lock_outputs(project, process.pid)
        if end == "its number is another's":
            os.utime(lock, (1e9, 1e9))
        said: list[str] = []

        found = find_work(project.workspace, said.append)
        process.kill()

    assert found == []
    assert said == [f"dvc repro clip: process {process.pid} is gone, its lock is cleared"]
    assert str(process.pid) not in lock.read_text()


def test_a_lock_of_another_host_is_not_cleared(project: Project) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    lock = lock_outputs(project, gone.pid)
    with hold_lock(project.workspace.state / "clip.lock", "pvtt clip"):
        pass
    note = project.workspace.state / "clip.holder.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"host": "another-node"}))

    with pytest.raises(LockedError, match=rf"process {gone.pid} on another-node") as caught:
        Patience(project.workspace, pytest.fail, hours=0).for_work()

    assert caught.value.hint is not None
    assert "another-node" in caught.value.hint
    assert str(gone.pid) in lock.read_text()


@pytest.mark.parametrize("pid", [-4, 0, 10**12])
def test_the_number_of_no_process_is_a_dead_one_s(project: Project, pid: int) -> None:
    lock_outputs(project, pid)

    assert find_work(project.workspace, lambda line: None) == []
    assert str(pid) not in rwlock(project).read_text()


@pytest.mark.parametrize("left", ["", '{"write": {"/some', '{"write": {"/some/path": 3}}'])
def test_a_half_written_lock_is_put_aside_when_nothing_works(project: Project, left: str) -> None:
    lock_outputs(project, 1).write_text(left)
    said: list[str] = []

    assert find_work(project.workspace, said.append) == []
    assert "half-written" in said[0]
    assert rwlock(project).with_name("rwlock.unreadable").read_text() == left


def test_a_stage_without_dvc_and_a_command_of_dvc_are_at_work_too(project: Project) -> None:
    assert find_work(project.workspace, pytest.fail) == []
    (project.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    lock = zc.lockfile.LockFile(str(project.root / ".dvc" / "tmp" / "lock"))
    with hold_lock(project.workspace.state / "segment.lock", "pvtt segment"):
        found = find_work(project.workspace, pytest.fail)
    lock.close()

    assert [work.pid for work in found] == [os.getpid()]
    lock.close()
    with hold_lock(project.workspace.state / "segment.lock", "pvtt segment"):
        (work,) = find_work(project.workspace, pytest.fail)
    assert str(work).startswith(f"segment (process {os.getpid()}, since ")
    assert find_work(project.workspace, pytest.fail) == []


def test_what_is_missing_is_named(project: Project) -> None:
    (project.root / ".git").rename(project.root / "elsewhere")
    with pytest.raises(PvttError, match="is no repository of Git") as caught:
        read_graph(project.root)
    assert caught.value.hint is not None
    assert ".git" in caught.value.hint
    (project.root / "elsewhere").rename(project.root / ".git")
    (project.root / "dvc.yaml").write_text("stages: [")
    with pytest.raises(PvttError, match=r"DVC cannot read .*dvc\.yaml"):
        read_graph(project.root)
    (project.root / ".dvc").rename(project.root / "elsewhere")
    with pytest.raises(PvttError, match="is no project of DVC"):
        read_graph(project.root)
