"""Processes of this machine: results in order, deaths survived, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pvtt.dispatch import InlineDispatcher, LocalDispatcher
from pvtt.dispatch.call_result import WorkerDiedError
from pvtt.dispatch.local import count_cores
from pvtt.errors import PvttError
from tests.dispatch import work


def test_map_equals_inline_and_keeps_the_order() -> None:
    numbers = [4, 1, 3]
    assert LocalDispatcher(2).map(work.square, numbers, name="t") == InlineDispatcher().map(
        work.square, numbers, name="t"
    )


def test_no_arguments_no_processes() -> None:
    assert LocalDispatcher(2).map(work.square, [], name="t") == []


def test_a_failure_and_a_death_cost_only_their_own_results() -> None:
    two, failure, death, four = LocalDispatcher(2).map(work.square_or_fail, [2, 3, 5, 4], name="t")
    assert (two, four) == (4, 16)
    assert isinstance(failure, PvttError)
    assert failure.hint == "take another"
    assert isinstance(death, WorkerDiedError)
    assert "SIGKILL" in str(death)


def test_inline_returns_failures_too() -> None:
    two, failure = InlineDispatcher().map(work.square_or_fail, [2, 3], name="t")
    assert two == 4
    assert isinstance(failure, PvttError)
    with pytest.raises(PvttError):
        InlineDispatcher().run(work.square_or_fail, 3, name="t")


def test_what_cannot_be_pickled_is_still_explained() -> None:
    dispatcher = LocalDispatcher(2)
    (failure,) = dispatcher.map(work.raise_unpicklable, [0], name="t")
    assert str(failure) == "TwoArgumentsError: a fault in the decoder"
    assert isinstance(failure, RuntimeError)
    assert "raise_unpicklable" in failure.__notes__[0]
    (fault,) = dispatcher.map(work.return_unpicklable, [0], name="t")
    assert "cannot be pickled" in str(fault)


def test_workers_share_the_cores() -> None:
    share = str(max(1, count_cores() // 2))
    assert LocalDispatcher(2).map(work.threads, [0], name="t") == [(share, share)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent_however_it_ends(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pvtt.dispatch import LocalDispatcher\n"
        "from tests.dispatch import work\n"
        "if __name__ == '__main__': LocalDispatcher(1).map(work.beat_forever, [Path(sys.argv[1])], name='t')"
    )
    file = tmp_path / "beat"
    parent = subprocess.Popen([sys.executable, "-c", code, str(file)], stderr=subprocess.DEVNULL)
    while not file.exists():
        assert parent.poll() is None
        time.sleep(0.02)
    worker = int(file.with_suffix(".pid").read_text())
    parent.send_signal(number)
    assert parent.wait(timeout=20) != 0
    _wait_until_gone(worker)


def _wait_until_gone(pid: int, within_s: float = 20) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return  # ended; its new parent has not read its exit code yet
        time.sleep(0.05)
    pytest.fail(f"process {pid} still runs")


def test_where_there_are_gpus_each_worker_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    dispatcher = LocalDispatcher(3, one_a_gpu=["encode"])
    assert (dispatcher.workers_for("encode"), dispatcher.workers_for("clip")) == (2, 3)
    seen = dispatcher.map(work.own_gpu, [0.2, 0.2, 0.0, 0.0], name="encode")
    assert sorted(set(map(str, seen))) == ["4", "7"]
    assert dispatcher.map(work.own_gpu, [0.0], name="clip") == ["4"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert LocalDispatcher(3, one_a_gpu=["encode"]).workers_for("encode") == 3
