"""Endings told apart, calls told apart, and a ledger that outlives what happens to it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from submitit.core.utils import JobPaths

from pvtt.dispatch.call_key import call_key
from pvtt.dispatch.controller import TaskState, expand, is_silence, short
from pvtt.dispatch.endings import died, out_of_gpu_memory
from pvtt.dispatch.ledger import Ledger, Submission, SubmissionState, timestamp
from pvtt.dispatch.node_call import begun_file
from pvtt.dispatch.reasons import explain
from pvtt.dispatch.sent_call import send
from pvtt.errors import PvttError
from pvtt.items.dispatcher import (
    EnvironmentFaultError,
    MemoryLimitError,
    TimeLimitError,
    WorkerDiedError,
    WorkerLostError,
    WorkStoppedError,
)
from tests.dispatch import work

PRINT_KEY = """
from pathlib import Path
from pvtt.dispatch.call_key import call_key
from pvtt.dispatch.sent_call import send
from tests.dispatch import work
arguments = [(work.Number(value=1, folder="f"), {"a", "b", "c"}, {"k": Path("p")}, work.Settings)]
print(call_key("map", "t", work.square, arguments, send(work.square, arguments)[0], "here"))
"""


def ended(state: str, exit_code: str = "1:0") -> TaskState:
    return TaskState("7_1", state, "", "n1", 1, None, None, None, exit_code)


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        (ended("CANCELLED", "0:15"), WorkStoppedError, "7_1 on n1 was cancelled"),
        (ended("TIMEOUT", "0:0"), TimeLimitError, "time limit"),
        (ended("DEADLINE"), TimeLimitError, "time limit"),
        (ended("PREEMPTED", "0:0"), WorkerLostError, "was preempted"),
        (ended("FAILED", "140:0"), WorkerLostError, "got its notice before"),
        (ended("NODE_FAIL"), WorkerLostError, "lost its node"),
        (ended("OUT_OF_MEMORY", "0:125"), MemoryLimitError, "host memory"),
        (ended("FAILED", "0:9"), MemoryLimitError, "out of memory?"),
        (ended("FAILED", "139:0"), WorkerDiedError, "ended without a result"),
        (None, WorkerDiedError, "no longer known to Slurm"),
    ],
)
def test_endings_are_told_apart(state: TaskState | None, kind: type, said: str, tmp_path: Path) -> None:
    paths = JobPaths(tmp_path, job_id="7_1")
    begun_file(paths).touch()
    paths.stderr.write_text("Segmentation fault\n")
    error = died("clip", paths, state, "stages.clip")
    assert type(error) is kind
    assert said in error.message
    assert error.hint


@pytest.mark.parametrize(
    "line",
    [
        "slurmstepd-n1: error: Detected 1 oom-kill event(s) in StepId=7.0. Some of your processes may have died.",
        "srun: error: n1: task 0: Out Of Memory",
        "srun: error: n1: tasks [0-3,7]: Out Of Memory",
    ],
)
def test_slurm_s_own_words_tell_of_the_host_s_memory_and_not_of_the_gpu_s(line: str, tmp_path: Path) -> None:
    paths = JobPaths(tmp_path, job_id="7_1")
    begun_file(paths).touch()
    paths.stderr.write_text(f"{line}\nsrun: Terminating StepId=7.0\n")
    error = died("train_stage1", paths, ended("FAILED", "137:0"), "run")
    assert type(error) is MemoryLimitError
    assert "host memory" in error.message
    assert "raise run.memory_gb_per_node" in str(error.hint)
    paths.stderr.write_text("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB.\n")
    assert "host memory" not in died("train_stage1", paths, ended("FAILED"), "run").message


def test_what_never_began_is_the_environment_s_but_for_what_slurm_took_away(tmp_path: Path) -> None:
    paths = JobPaths(tmp_path, job_id="7_1")
    assert "none of its files is here" in died("clip", paths, ended("COMPLETED"), "shards").message
    paths.stderr.write_text("bash: /venv/bin/python: No such file or directory\n")
    error = died("clip", paths, ended("FAILED"), "shards")
    assert type(error) is EnvironmentFaultError
    assert "before its work began" in error.message
    assert "/venv/bin/python" in error.message
    assert type(died("clip", paths, ended("PREEMPTED"), "shards")) is WorkerLostError


def test_a_gpu_s_memory_is_named() -> None:
    error = out_of_gpu_memory("train_stage1", RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), Path("log"))
    assert isinstance(error, MemoryLimitError)
    assert "smaller batch" in str(error.hint)
    assert out_of_gpu_memory("train_stage1", RuntimeError("another"), Path("log")) is None


def test_a_call_is_the_same_in_another_process_and_no_other_call() -> None:
    processes = [
        subprocess.run(
            [sys.executable, "-c", PRINT_KEY],
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert processes[0] == processes[1]
    sent = send(work.square, [1])[0]
    keys = {
        call_key("map", "t", work.square, [1], sent, "here"),
        call_key("run", "t", work.square, [1], sent, "here"),
        call_key("map", "u", work.square, [1], sent, "here"),
        call_key("map", "t", work.threads, [1], sent, "here"),
        call_key("map", "t", work.square, [2], sent, "here"),
        call_key("map", "t", work.square, [1.0], sent, "here"),
        call_key("map", "t", work.square, [True], sent, "here"),
        call_key("map", "t", work.square, [1], send(work.multiply, [work.Settings()])[0], "there"),
        call_key("map", "t", work.square, [work.Settings()], sent, "here"),
        call_key("map", "t", work.square, [work.Settings(factor=3)], sent, "here"),
    }
    assert len(keys) == 10


def submission(folder: Path) -> Submission:
    return Submission(
        id=0,
        stage="clip",
        kind="map",
        call="k",
        folder=str(folder),
        job_name="n",
        job_id=None,
        num_tasks=2,
        num_ranks=1,
        gpus=1,
        state="sending",
        note="",
        driver="h:1",
        submitted_at=timestamp(),
        closed_at=None,
    )


def test_a_ledger_keeps_its_first_ending_and_survives_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger(tmp_path / "jobs.sqlite")
    sent = ledger.sent(ledger.begin(submission(tmp_path)), "4711")
    assert ledger.submissions("clip", only_open=True)[0].task_ids == ["4711_0", "4711_1"]
    ledger.close(sent, SubmissionState.CANCELLED, "by a person")
    ledger.close(sent, SubmissionState.FAILED, "later")
    assert (ledger.submissions()[0].state, ledger.submissions()[0].note) == ("cancelled", "by a person")
    assert ledger.submissions(only_open=True) == []
    (tmp_path / "jobs.sqlite").write_bytes(b"no database at all, but long enough to look like one" * 100)
    assert ledger.submissions() == []
    assert "is damaged and lies now at" in capsys.readouterr().err
    assert ledger.begin(submission(tmp_path)).id == 1


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jobs.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(PvttError, match="another version"):
        Ledger(tmp_path / "jobs.sqlite").submissions()


def test_slurm_s_own_words_are_read() -> None:
    assert expand("0-3,5,8-12:2%4") == [0, 1, 2, 3, 5, 8, 10, 12]
    assert short({"7_10", "7_2", "7_0", "7_1", "8", "9_4"}) == ["7_[0-2,10]", "8", "9_4"]
    assert is_silence(
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
    )
    assert not is_silence("sbatch: error: invalid partition specified: nowhere")
    assert explain("QOSMaxJobsPerUserLimit", "7").endswith("a limit of your QOS is reached")
    assert explain("ReqNodeNotAvail, UnavailableNodes:n1", "7").endswith("are down or reserved")
    assert explain("SomethingNew", "7") == "SomethingNew"
