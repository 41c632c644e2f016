"""The pipeline flow on a real DVC project and a real Prefect server."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows.graph import read_graph
from flows.pipeline import pipeline, reproduce
from flows.result import publish_cost
from pvtt.dispatch.command import StepError
from pvtt.dispatch.cost import StageCost
from pvtt.errors import LockedError, MissingInputError, ParamsError
from pvtt.files.lock import hold_lock
from tests.flows.conftest import Project

STAGES = ("clip", "photos", "decide")


def test_runs_of_a_project(project: Project, prefect_api: str, capsys: pytest.CaptureFixture[str]) -> None:
    """First run, a second without news, one after a changed param, one after outputs were deleted."""

    def run(**arguments: bool) -> tuple[list[int], str, str]:
        capsys.readouterr()
        pipeline(ingest=False, **arguments)
        shown = capsys.readouterr()
        board = [line for line in shown.err.splitlines() if "…" not in line]  # progress, where a stage takes long
        return [project.runs(stage) for stage in STAGES], shown.out, "\n".join(board)

    (project.root / "note.txt").write_text("somebody's own work, not to be committed")
    runs, result, board = run(commit=True)

    assert runs == [1, 1, 1]
    assert [line.split()[:2] for line in board.splitlines()] == [[stage, "done"] for stage in STAGES]
    assert "verdict: success" in result
    assert re.search(r"train: training PSNR \(dB\) +> 25 +26.5 +\[26.1, 26.9\] +pass", result)
    assert "\n    python -m flows.promote\n" in result
    assert str(project.workspace.out("report") / "report.html") in result
    assert "No DVC remote is configured: data/" in result
    assert "Not pushed: data/" in project.git("log", "-1", "--format=%b")
    assert project.git("log", "-1", "--format=%s") == "Run 0123456789ab: success"
    assert project.git("show", "--name-only", "--format=").split() == ["dvc.lock", "metrics/decision.json"]
    criteria, report, progress = (_artifact(prefect_api, key) for key in ("criteria", "report", "clip-progress"))
    assert "training PSNR (dB)" in criteria["data"]
    assert criteria["description"] == "**success**. All criteria passed."
    assert "report.html" in report["data"]
    assert (progress["data"], progress["description"]) == (100.0, "clip: done")

    runs, _, board = run()
    assert runs == [1, 1, 1]
    assert board.count("up to date") == len(STAGES)

    params = project.workspace.params_file
    params.write_text(params.read_text().replace("min_photos: 3", "min_photos: 2"))
    runs, _, board = run()
    assert runs == [1, 2, 1]  # its outputs were the same, so what reads them stays
    assert [" ".join(line.split()[:4]) for line in board.splitlines()][::2] == ["clip up to date", "decide up to date"]

    shutil.rmtree(project.workspace.out("clip"))
    runs, _, board = run()
    assert runs == [1, 2, 1]
    assert (project.workspace.out("clip") / "result.txt").is_file()
    assert "from the cache" in board.splitlines()[0]


def test_what_a_run_s_jobs_cost_stands_on_its_page(prefect_api: str) -> None:
    training = StageCost(
        stage="train_stage1", submissions=1, useful=24.0, failed=16.0, at_work=0.0, kwh=40.0, energy_from="watts"
    )
    flow(lambda: publish_cost([training]), name="costly")()
    cost = _artifact(prefect_api, "cost")
    assert cost["description"].startswith("**24.00 GPU-hours useful, 16.00 failed.**")
    assert '"failed GPU-h": "16.00"' in cost["data"]
    assert '"by": "gpu_watts of the profile' in cost["data"]


def _artifact(api: str, key: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{api}/artifacts/{key}/latest", timeout=30) as answer:
        artifact: dict[str, Any] = json.load(answer)
    return artifact


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])  # they tell of a killed command in two ways
def test_a_preempted_stage_is_run_again_and_a_failed_one_is_not(
    project: Project,
    prefect_api: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    shell: str,
) -> None:
    monkeypatch.setenv("SHELL", shell)
    monkeypatch.setattr(reproduce, "retry_delay_seconds", 0)
    project.mark("kill", "clip")
    project.mark("fail", "photos")

    with pytest.raises(StepError) as caught:
        pipeline(ingest=False)

    assert [project.runs(stage) for stage in STAGES] == [2, 1, 0]
    assert caught.value.message == "photos: 5 of 9 items failed"
    assert caught.value.hint == "read outs/photos/rejects.jsonl"
    assert caught.value.exit_code == 4
    assert re.search(r"^photos +failed", capsys.readouterr().err, re.MULTILINE)


def test_only_one_run_at_a_time(project: Project, prefect_api: str) -> None:
    with (
        hold_lock(project.workspace.state / "flow.lock", "the nightly pipeline"),
        pytest.raises(LockedError, match="the nightly pipeline"),
    ):
        pipeline(ingest=False)


def test_missing_data_says_how_to_get_it(project: Project, prefect_api: str) -> None:
    (project.workspace.data).rename(project.root / "elsewhere")

    with pytest.raises(MissingInputError) as caught:
        pipeline(ingest=False)

    assert caught.value.hint is not None
    assert "dvc pull" in caught.value.hint
    assert "make run" in caught.value.hint


def test_wrong_params_are_refused_before_anything_starts(project: Project, prefect_api: str) -> None:
    params = project.workspace.params_file
    params.write_text(params.read_text().replace("min_photos:", "min_fotos:"))

    with pytest.raises(ParamsError, match=r"photos\.min_photos"):
        pipeline(ingest=False)
    assert project.runs("clip") == 0


def test_order_is_dvc_s(project: Project) -> None:
    order = read_graph(project.root).order
    run = project.python("-m", "dvc", "--wait-for-lock", "repro")

    assert run.returncode == 0, run.stderr
    assert list(order) == re.findall(r"^Running stage '(\w+)'", run.stdout, re.MULTILINE)


class TestByHand:
    """`python -m flows.pipeline`."""

    def test_an_error_is_two_lines_and_an_exit_code(self, project: Project, prefect_api: str) -> None:
        project.mark("fail", "clip")

        run = project.python("-m", "flows.pipeline", "--no-ingest", PREFECT_API_URL=prefect_api)

        assert run.returncode == 4
        assert run.stderr.splitlines()[1:] == [
            "pvtt: clip: 5 of 9 items failed",
            "  next: read outs/clip/rejects.jsonl",
        ]

    def test_a_server_that_is_down_is_named(self, project: Project) -> None:
        run = project.python("-m", "flows.pipeline", PREFECT_API_URL="http://127.0.0.1:9/api")

        assert run.returncode == 1
        assert run.stderr.splitlines()[0].startswith("pvtt: the Prefect server at http://127.0.0.1:9/api")
        assert "prefect server start" in run.stderr.splitlines()[1]

    def test_help_teaches(self, project: Project) -> None:
        shown = " ".join(project.python("-m", "flows.pipeline", "--help").stdout.split())

        for text in ("--no-ingest", "--commit", "PVTT_DISPATCH", ".pvtt/logs", "5 another run holds the lock"):
            assert text in shown

    def test_stopping_it_stops_the_stage(self, project: Project, prefect_api: str) -> None:
        dvc_yaml = project.root / "dvc.yaml"
        dvc_yaml.write_text(dvc_yaml.read_text().replace("python stage.py clip data", "echo $$ > pid; exec sleep 300"))
        run = subprocess.Popen(
            [sys.executable, "-m", "flows.pipeline", "--no-ingest"],
            env=project.environment() | {"PREFECT_API_URL": prefect_api},
            stderr=subprocess.PIPE,
        )
        pid = project.root / "pid"
        while not (pid.exists() and pid.read_text().strip()):
            assert run.poll() is None
            time.sleep(0.1)

        run.send_signal(signal.SIGINT)
        _, printed = run.communicate(timeout=300)

        assert run.returncode == 130
        assert b"run the same command again" in printed
        stage = Path("/proc", pid.read_text().strip())
        end = time.monotonic() + 60  # its end is sent, and init reaps it when it likes
        while stage.exists() and time.monotonic() < end:
            time.sleep(0.1)
        assert not stage.exists()
