"""The pipeline flow on a real DVC project and a real Prefect server."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from flows.graph import read_graph
from flows.pipeline import pipeline
from flows.steps import StepError
from pvtt.errors import LockedError, MissingInputError, ParamsError
from pvtt.items.lock import hold_lock
from tests.flows.conftest import Project

STAGES = ("clip", "photos", "decide", "report")


def test_stages_run_once_and_the_result_is_shown(
    project: Project, prefect_api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline(ingest=False)

    assert [project.runs(stage) for stage in STAGES] == [1, 1, 1, 1]
    shown = capsys.readouterr()
    assert "Verdict: success. All criteria passed." in shown.out
    assert "training PSNR (dB)" in shown.out and "26.1 … 26.9" in shown.out and "pass" in shown.out
    assert "  python -m flows.promote\n" in shown.out
    assert str(project.workspace.out("report") / "report.html") in shown.out
    assert [line.split()[:2] for line in shown.err.splitlines()] == [[stage, "done"] for stage in STAGES]

    pipeline(ingest=False)

    assert [project.runs(stage) for stage in STAGES] == [1, 1, 1, 1]
    assert capsys.readouterr().err.count("up to date") == len(STAGES)


def test_artifacts_show_progress_criteria_and_report(project: Project, prefect_api: str) -> None:
    from prefect.artifacts import Artifact

    pipeline(ingest=False)

    criteria, report, progress = (Artifact.get(key) for key in ("criteria", "report", "clip-progress"))
    assert criteria is not None and "training PSNR (dB)" in str(criteria.data)
    assert criteria.description == "**success**. All criteria passed."
    assert report is not None and "report.html" in str(report.data)
    assert progress is not None and progress.data == 100.0 and progress.description == "clip: done"


def test_a_params_change_redoes_only_what_reads_it(project: Project, prefect_api: str) -> None:
    pipeline(ingest=False)
    params = project.workspace.params_file
    params.write_text(params.read_text().replace("min_photos: 3", "min_photos: 2"))

    pipeline(ingest=False)

    assert [project.runs(stage) for stage in STAGES] == [1, 2, 1, 1]  # its outputs were the same: the rest stays


def test_deleted_outputs_come_back_from_the_cache(
    project: Project, prefect_api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline(ingest=False)
    out = project.workspace.out("clip") / "result.txt"
    out.chmod(0o644)
    out.unlink()
    capsys.readouterr()

    pipeline(ingest=False)

    assert out.is_file()
    assert project.runs("clip") == 1
    assert "from the cache" in capsys.readouterr().err


def test_a_failed_stage_ends_the_run_with_its_own_message(
    project: Project, prefect_api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = project.mark("fail", "photos")

    with pytest.raises(StepError) as caught:
        pipeline(ingest=False)

    assert caught.value.message == "clip: 5 of 9 items failed"
    assert caught.value.hint == "read outs/clip/rejects.jsonl"
    assert caught.value.exit_code == 4
    assert [project.runs(stage) for stage in STAGES] == [1, 1, 0, 0]  # and it was not tried again
    assert "photos  failed" in capsys.readouterr().err

    mark.unlink()
    pipeline(ingest=False)
    assert [project.runs(stage) for stage in STAGES] == [1, 2, 1, 1]


def test_a_preempted_stage_is_run_again(
    project: Project, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import flows.pipeline

    monkeypatch.setattr(flows.pipeline.reproduce, "retry_delay_seconds", 0)
    project.mark("kill", "clip")

    pipeline(ingest=False)

    assert [project.runs(stage) for stage in STAGES] == [2, 1, 1, 1]


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
    assert "dvc pull" in caught.value.hint and "make run" in caught.value.hint


def test_wrong_params_are_refused_before_anything_starts(project: Project, prefect_api: str) -> None:
    params = project.workspace.params_file
    params.write_text(params.read_text().replace("min_photos:", "min_fotos:"))

    with pytest.raises(ParamsError, match="photos.min_photos"):
        pipeline(ingest=False)
    assert project.runs("clip") == 0


def test_commit_records_lock_file_and_metrics(project: Project, prefect_api: str) -> None:
    (project.root / "note.txt").write_text("somebody's own work, not to be committed")

    pipeline(ingest=False, commit=True)

    assert project.git("log", "-1", "--format=%s") == "Run 0123456789ab: success"
    assert project.git("show", "--name-only", "--format=").split() == ["dvc.lock", "metrics/decision.json"]


def test_order_is_dvc_s(project: Project) -> None:
    planned = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--dry"], capture_output=True, text=True, check=True
    ).stdout
    stages = [line.split("'")[1] for line in planned.splitlines() if line.startswith("Running stage")]

    assert list(read_graph(project.root).order) == stages


class TestByHand:
    """`python -m flows.pipeline`, with no Prefect server running."""

    def test_a_run_and_a_second_one(self, project: Project) -> None:
        first = project.python("-m", "flows.pipeline", "--no-ingest")
        started = time.monotonic()
        second = project.python("-m", "flows.pipeline", "--no-ingest")

        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        assert "Verdict: success" in first.stdout
        assert len(first.stderr.splitlines()) == len(STAGES), first.stderr  # nothing but one line a stage
        assert second.stderr.count("up to date") == len(STAGES)
        assert time.monotonic() - started < 60

    def test_an_error_is_two_lines_and_an_exit_code(self, project: Project) -> None:
        project.mark("fail", "clip")

        run = project.python("-m", "flows.pipeline", "--no-ingest")

        assert run.returncode == 4
        assert run.stderr.splitlines()[-2:] == ["error: clip: 5 of 9 items failed", "hint: read outs/clip/rejects.jsonl"]
        assert "Traceback" not in run.stderr

    def test_help_teaches(self, project: Project) -> None:
        shown = project.python("-m", "flows.pipeline", "--help").stdout

        for word in ("--no-ingest", "--commit", "PVTT_DISPATCH", ".pvtt/logs", "5 another run holds the lock"):
            assert word in " ".join(shown.split())

    def test_stopping_it_stops_the_stage(self, project: Project) -> None:
        dvc_yaml = project.root / "dvc.yaml"
        dvc_yaml.write_text(dvc_yaml.read_text().replace("python stage.py clip data", "echo $$ > pid; exec sleep 300"))
        run = subprocess.Popen(
            [sys.executable, "-m", "flows.pipeline", "--no-ingest"], env=project.environment(), stderr=subprocess.PIPE
        )
        pid = project.root / "pid"
        while not (pid.exists() and pid.read_text().strip()):
            assert run.poll() is None
            time.sleep(0.1)

        run.send_signal(signal.SIGINT)
        _, printed = run.communicate(timeout=60)

        assert run.returncode == 130
        assert b"run the same command again" in printed
        assert subprocess.run(["ps", "-p", pid.read_text().strip()], check=False, capture_output=True).returncode != 0
