"""What dispatch costs over Slurm's own time: one job, an array of 200 tasks, a profile whose venv is wrong.

`pytest tests/benchmarks/test_dispatch.py -s` prints the figures; some five minutes on two idle cores. The cluster is
the one-machine Slurm of the tests. A dispatched job and one of `sbatch --wait` do the same work, in turns, three pairs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from pvtt.dispatch import SlurmDispatcher
from pvtt.dispatch.ledger import Ledger
from pvtt.dispatch.profile import SlurmProfile
from pvtt.items.dispatcher import EnvironmentFaultError
from tests.dispatch import work

PAIRS = 3
NUM_TASKS = 200
MAX_ONE_S = 2.0  # over `sbatch --wait`
MAX_ARRAY_S = 20.0  # over the time from Slurm's receipt to the last task's end
PROJECT = Path(__file__).resolve().parents[2]


def dispatched_s(dispatcher: SlurmDispatcher) -> float:
    start = time.monotonic()
    assert dispatcher.run(work.square, 3, name="one") == 9
    return time.monotonic() - start


def by_hand_s(folder: Path) -> float:
    """The same work as a script that a person submits."""
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from tests.dispatch import work; work.square(3)"
    command = ["sbatch", "--wait", "--quiet", f"--output={folder}/by-hand.out", f'--wrap={sys.executable} -c "{code}"']
    start = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - start


def test_one_job_over_sbatch(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    dispatcher = SlurmDispatcher(slurm_cluster, tmp_path / "slurm")
    pairs = [(dispatched_s(dispatcher), by_hand_s(tmp_path)) for _ in range(PAIRS)]
    for ours, by_hand in pairs:
        print(f"\none job: {ours:.2f} s dispatched, {by_hand:.2f} s with sbatch --wait", end="")
    over = statistics.median(ours - by_hand for ours, by_hand in pairs)
    print(f"\nmedian: {over:+.2f} s")
    assert over <= MAX_ONE_S


def test_an_array_over_slurms_own_time(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    dispatcher = SlurmDispatcher(slurm_cluster, tmp_path / "slurm")
    start = time.time()
    results = dispatcher.map(work.square, range(NUM_TASKS), name="many")
    end = time.time()
    assert results == [number * number for number in range(NUM_TASKS)]
    ledger = Ledger(tmp_path / "slurm" / "jobs.sqlite")
    (submission,) = ledger.submissions()
    attempts = ledger.attempts(submission)
    assert len(attempts) == NUM_TASKS
    starts, ends = (
        [datetime.fromisoformat(str(getattr(each, name))).timestamp() for each in attempts]
        for name in ("started_at", "ended_at")
    )
    before, after = min(starts) - start, end - max(ends)  # Slurm's times are whole seconds
    slurms = max(ends) - min(starts)
    print(
        f"\n{NUM_TASKS} tasks: {end - start:.1f} s in all, {slurms:.0f} s of them from the first start to the last end;"
        f" {before:.1f} s before, {after:.1f} s after"
    )
    assert before + after <= MAX_ARRAY_S


def test_a_wrong_venv_is_told_after_the_first_job(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    profile = slurm_cluster.model_copy(update={"venv": str(tmp_path / "no-venv")})
    start = time.monotonic()
    with pytest.raises(EnvironmentFaultError, match="before its work began") as error:
        SlurmDispatcher(profile, tmp_path / "slurm").map(work.square, range(NUM_TASKS), name="wrong")
    seconds = time.monotonic() - start
    ledger = Ledger(tmp_path / "slurm" / "jobs.sqlite")
    (submission,) = ledger.submissions()
    begun = [each for each in ledger.attempts(submission) if each.started_at is not None]
    print(f"\na wrong venv: told after {seconds:.1f} s, {len(begun)} of {NUM_TASKS} tasks had begun")
    print(f"  {error.value.message}")
