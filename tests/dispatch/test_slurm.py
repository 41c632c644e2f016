"""A real Slurm: arrays, failures, dead jobs, ranks, requeueing, and jobs of a killed process."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pvtt.dispatch import InlineDispatcher, SlurmDispatcher, from_environment
from pvtt.dispatch.call_result import WorkerDiedError
from pvtt.dispatch.profile import SlurmProfile
from pvtt.errors import PvttError
from pvtt.stages.all import PROFILE_PARTS
from tests.dispatch import work


@pytest.fixture
def dispatcher(slurm_cluster: SlurmProfile, tmp_path: Path) -> SlurmDispatcher:
    return SlurmDispatcher(slurm_cluster, tmp_path / "slurm")


def test_an_array_equals_inline_in_order(dispatcher: SlurmDispatcher, tmp_path: Path) -> None:
    numbers = [4, 1, 3]
    assert dispatcher.map(work.square, numbers, name="t") == InlineDispatcher().map(work.square, numbers, name="t")
    (script,) = (tmp_path / "slurm" / "t").glob("*/*_submission.sh")
    assert "#SBATCH --array=0-2%2" in script.read_text()
    assert dispatcher.map(work.square, [], name="t") == []


def test_a_failure_and_a_death_cost_only_their_own_results(dispatcher: SlurmDispatcher) -> None:
    two, failure, death = dispatcher.map(work.square_or_fail, [2, 3, 5], name="t")
    assert two == 4
    assert isinstance(failure, PvttError)
    assert failure.hint == "take another"
    assert "square_or_fail" in failure.__notes__[0]
    assert isinstance(death, WorkerDiedError)
    assert "ended without a result (JobState=FAILED" in death.message
    assert death.hint is not None
    assert Path(death.hint.removeprefix("read ")).is_file()


def test_run_returns_or_raises(dispatcher: SlurmDispatcher) -> None:
    assert dispatcher.run(work.square, 3, name="t") == 9
    with pytest.raises(PvttError, match="three is not a number here") as failure:
        dispatcher.run(work.square_or_fail, 3, name="t")
    assert any(note.startswith("log: /") for note in failure.value.__notes__)


def test_work_that_a_node_cannot_import_is_explained(
    dispatcher: SlurmDispatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def work(argument):\n    return argument\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    only_here = importlib.import_module("only_here")
    with pytest.raises(WorkerDiedError, match="ModuleNotFoundError: No module named 'only_here'"):
        dispatcher.run(only_here.work, 1, name="t")


def test_run_starts_the_ranks_of_a_distributed_job(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    two = slurm_cluster.run.model_copy(update={"processes_per_node": 2})
    dispatcher = SlurmDispatcher(slurm_cluster.model_copy(update={"runs": {"t": two}}), tmp_path / "slurm")
    assert dispatcher.run(work.rank_of, tmp_path, name="t") == ("0", "2", "0", "2", "localhost")
    assert (tmp_path / "0").read_text() == (tmp_path / "1").read_text()
    start = time.monotonic()
    with pytest.raises(PvttError, match="rank 1 fell over"):
        dispatcher.run(work.fail_in_rank_one, 60.0, name="t")
    assert time.monotonic() - start < 50
    assert _queued(tmp_path) == []


def test_the_profile_sets_the_jobs_environment(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    profile = slurm_cluster.model_copy(
        update={"env": {"NCCL_DEBUG": "a 'quoted' $value"}, "setup": ("export FROM_SETUP=yes",)}
    )
    dispatcher = SlurmDispatcher(profile, tmp_path / "slurm")
    names = ["NCCL_DEBUG", "FROM_SETUP", "SLURM_CPUS_PER_TASK"]
    assert dispatcher.map(work.environment, names, name="t") == ["a 'quoted' $value", "yes", "1"]


def test_a_job_has_its_own_threads_and_what_the_profile_hands_on(
    slurm_cluster: SlurmProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")  # of the login shell
    profile = slurm_cluster.model_copy(update={"comment": "two words", "mail_type": "NONE"})
    assert SlurmDispatcher(profile, tmp_path / "slurm").map(work.threads, [0, 1], name="t") == [("1", "1")] * 2
    (script,) = (tmp_path / "slurm").rglob("*_submission.sh")
    text = script.read_text()
    assert "#SBATCH --comment='two words'\n#SBATCH" in text
    assert "#SBATCH --mail-type=NONE\n" in text
    assert "wckey" not in text
    elsewhere = slurm_cluster.model_copy(update={"reservation": "of_nobody"})
    with pytest.raises(PvttError, match=r"Slurm refused the job: .*reservation"):
        SlurmDispatcher(elsewhere, tmp_path / "slurm").map(work.threads, [0], name="t")


def test_the_number_of_shards_is_a_stage_s_own(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    many = slurm_cluster.shards.model_copy(update={"parallel": 9})
    profile = slurm_cluster.model_copy(update={"stages": {"clip": many}})
    dispatcher = SlurmDispatcher(profile, tmp_path / "slurm")
    assert [dispatcher.workers_for(name) for name in ("clip", "photos")] == [9, slurm_cluster.shards.parallel]


def test_a_preempted_job_starts_again(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    with _run_elsewhere(slurm_cluster, tmp_path, "count_starts") as parent:
        (job,) = _queued(tmp_path)
        subprocess.run(["scancel", "--signal=USR2", job], check=True)  # what `requeue.signal_s` sends
        output, _ = parent.communicate(timeout=120)
    assert output == "2\n"


def test_jobs_of_a_killed_process_are_cancelled_by_the_next(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    with _run_elsewhere(slurm_cluster, tmp_path, "beat_forever") as parent:
        parent.send_signal(signal.SIGKILL)
    assert len(_queued(tmp_path)) == 1
    assert SlurmDispatcher(slurm_cluster, tmp_path / "slurm").run(work.square, 3, name="t") == 9
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "file.pid").read_text()), 0)


@pytest.mark.proof
def test_a_run_of_a_killed_process_is_waited_for_by_the_next(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    with _run_elsewhere(slurm_cluster, tmp_path, "end_soon") as parent:
        parent.send_signal(signal.SIGKILL)
    dispatcher = SlurmDispatcher(slurm_cluster, tmp_path / "slurm")
    assert dispatcher.run(work.end_soon, tmp_path / "file", name="t") == 1
    assert len(list((tmp_path / "slurm").rglob("*_submission.sh"))) == 1
    changed = SlurmDispatcher(slurm_cluster, tmp_path / "slurm", lambda: "other inputs")
    assert changed.run(work.end_soon, tmp_path / "file", name="t") == 2


def test_ctrl_c_cancels_the_jobs(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    with _run_elsewhere(slurm_cluster, tmp_path, "beat_forever") as parent:
        parent.send_signal(signal.SIGINT)
    assert _queued(tmp_path) == []


def test_a_refused_job_says_why(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    profile = slurm_cluster.model_copy(update={"partition": "nowhere"})
    with pytest.raises(PvttError, match=r"t: Slurm refused the job: .*partition"):
        SlurmDispatcher(profile, tmp_path / "slurm").run(work.square, 3, name="t")


def test_the_environment_chooses_the_cluster(
    slurm_cluster: SlurmProfile, project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_root)
    monkeypatch.setenv("PVTT_DISPATCH", "infra/slurm/local.yaml")
    dispatcher = from_environment(PROFILE_PARTS)
    assert isinstance(dispatcher, SlurmDispatcher)
    assert dispatcher.num_workers == slurm_cluster.shards.parallel


@contextmanager
def _run_elsewhere(profile: SlurmProfile, folder: Path, function: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that waits for `run(function, folder / "file")`; yields it when the job is at work."""
    code = (
        "import sys; from pathlib import Path; from pvtt.dispatch import SlurmDispatcher\n"
        "from pvtt.dispatch.profile import SlurmProfile; from tests.dispatch import work\n"
        "dispatcher = SlurmDispatcher(SlurmProfile.from_json(sys.argv[1]), Path(sys.argv[2], 'slurm'))\n"
        f"print(dispatcher.run(work.{function}, Path(sys.argv[2], 'file'), name='t'))"
    )
    command = [sys.executable, "-c", code, profile.to_json(), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        end = time.monotonic() + 60
        while not (folder / "file").exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield process


def _queued(folder: Path) -> list[str]:
    """Ids of the jobs whose scripts are below `folder`."""
    answer = subprocess.run(
        ["squeue", "--me", "--noheader", "--format=%i %o"], capture_output=True, text=True, check=True
    )
    return [line.split()[0] for line in answer.stdout.splitlines() if str(folder) in line]
