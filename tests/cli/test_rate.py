"""`pvtt rate` as a person starts it."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluated import EvaluatedProject

RATE = [sys.executable, "-m", "pvtt.cli", "rate"]


@pytest.fixture
def project(evaluated_project: EvaluatedProject, tmp_path: Path, project_root: Path) -> Path:
    shutil.copytree(evaluated_project.workspace.root, tmp_path / "project")
    shutil.copyfile(project_root / "params.yaml", tmp_path / "project" / "params.yaml")
    return tmp_path / "project"


def environment(project_root: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(project_root), "PYTHONUNBUFFERED": "1"}


def test_serves_until_it_is_stopped(project: Path, project_root: Path) -> None:
    with subprocess.Popen(
        [*RATE, "--port", "0", "--rater", "ann"],
        cwd=project,
        env=environment(project_root),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"Rate 7 videos at http://127\.0\.0\.1:(\d+)/", line)
        assert found, line
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        connection.request("GET", "/")
        assert b'const fixedRater = "ann"' in connection.getresponse().read()
        connection.close()
        process.send_signal(signal.SIGINT)
        assert "Everything rated is saved" in process.stdout.read()
    assert process.returncode == 0


@pytest.mark.parametrize("problem", ["port", "name", "not evaluated"])
def test_problems_are_one_line_with_a_next_step(problem: str, project: Path, project_root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = ["--port", str(taken.getsockname()[1] if problem == "port" else 0)]
        if problem == "name":
            arguments += ["--rater", "../ann"]
        if problem == "not evaluated":
            shutil.rmtree(project / "outs" / "evaluate")
        result = subprocess.run(
            [*RATE, *arguments], cwd=project, env=environment(project_root), capture_output=True, text=True, timeout=120
        )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    message, hint = result.stderr.strip().splitlines()
    assert {"port": "cannot serve on", "name": "is not a name", "not evaluated": "run.json does not exist"}[
        problem
    ] in message
    assert hint.strip()


def test_others_get_a_link_with_a_key_that_stays(project: Path, project_root: Path) -> None:
    links = []
    for _ in range(2):
        with subprocess.Popen(
            [*RATE, "--port", "0", "--host", "127.0.0.1"],
            cwd=project,
            env=environment(project_root),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)/(\?key=\S{16,})", process.stdout.readline())
            assert found
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
            connection.request("GET", "/")
            refused = connection.getresponse()
            assert (refused.status, b"key=" in refused.read()) == (403, False)
            connection.request("GET", f"/{found[2]}")
            assert connection.getresponse().status == 303
            connection.close()
            process.send_signal(signal.SIGINT)
        links.append(found[2])
    assert links[0] == links[1]
    assert (project / ".pvtt" / "rating.key").stat().st_mode & 0o077 == 0
