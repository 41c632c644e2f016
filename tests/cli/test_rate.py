"""`pvtt rate` as a person starts it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvtt.bench.votes import vote_store
from pvtt.cli.rate import command
from pvtt.errors import MissingInputError
from pvtt.records.votes import VoteSummary
from tests.bench.voted import write_run
from tests.browser import wait_for
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


def ask(port: int, path: str, body: object = None) -> object:
    """The answer of a page's server; raises where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    method = "GET" if body is None else "POST"
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    return json.loads(answer.read())


def test_a_server_that_is_killed_loses_no_vote_that_it_confirmed(tmp_path: Path, project_root: Path) -> None:
    write_run(tmp_path / "run")
    confirmed: dict[str, str] = {}
    for enough in (4, 9):  # killed while more come in
        with subprocess.Popen(
            [*RATE, "--pairs", "run", "--port", "0"],
            cwd=tmp_path,
            env=environment(project_root),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            found = re.search(r"Rate 12 pairs of videos at http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
            assert found
            port = int(found[1])
            items = ask(port, "/api/queue?rater=ann")
            assert isinstance(items, list)
            kept = {item["token"]: item["choice"] for item in items if item["choice"] is not None}
            assert kept.items() >= confirmed.items()
            waiting = iter([item["token"] for item in items if item["token"] not in kept])

            def click(waiting: Iterator[str] = waiting, port: int = port) -> None:
                with suppress(OSError, http.client.HTTPException):
                    for token in waiting:
                        ask(port, "/api/vote", {"rater": "ann", "token": token, "choice": "left"})
                        confirmed[token] = "left"

            thread = threading.Thread(target=click)
            thread.start()
            wait_for(lambda enough=enough: len(confirmed) >= enough, "votes")
            process.send_signal(signal.SIGKILL)
            thread.join()
    store = vote_store(tmp_path / "run")
    assert len(store.latest_of("ann")) >= len(confirmed) >= 9
    result = subprocess.run(
        [*RATE, "--pairs", "run", "--results", "--json"],
        cwd=tmp_path,
        env=environment(project_root),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    summary = VoteSummary.from_json(result.stdout)
    assert [(one.rater, one.num_skipped) for one in summary.raters] == [("ann", 0)]
    assert summary.num_votes > 0


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--results"], "give the folder of a run"), (["--pairs", "run", "--json"], "give both")]
)
def test_results_are_of_pairs(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("more", [[], ["--results"]])
def test_a_folder_without_a_run_says_what_to_do(more: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--pairs", str(tmp_path), *more])
    assert isinstance(result.exception, MissingInputError)
    assert "finish `pvtt bench run" in (result.exception.hint or "")
