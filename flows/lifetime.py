"""A flow has its checkout to itself, and nothing that it starts outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil

from flows import watcher
from flows.at_work import process_name
from flows.waiting import Patience
from flows.watcher import SAYS_GOODBYE, VARIABLE, Mark, end_marked, marked_processes
from pvtt.files.lock import hold_lock

_told_by: int | None = None  # the signal that came as SIGTERM


def original_signal(number: int) -> int:
    """The signal that was sent, where SIGHUP was passed on as SIGTERM."""
    return _told_by or number


class StoppedBySignal(BaseException):
    """A signal asked this process to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


_ended: list[subprocess.Popen[bytes]] = []  # watchers that go by themselves; kept, so that they are reaped


@contextmanager
def watched(root: Path) -> Iterator[None]:
    """End what the block starts when it ends, however it ends; SIGTERM and SIGHUP end it as Ctrl-C does.

    Within another such block of this process it does nothing more.
    """
    before = os.environ.get(VARIABLE)
    outer = Mark.parse(before or "")
    if outer is not None and outer.pid == os.getpid() and outer.is_alive:
        yield
        return
    mark = Mark(os.getpid(), psutil.Process().create_time(), str(root))
    _ended[:] = [ended for ended in _ended if ended.poll() is None]
    process = subprocess.Popen(
        [sys.executable, "-P", watcher.__file__, str(mark)],
        env={name: value for name, value in os.environ.items() if name != VARIABLE},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what a terminal or a worker sends to the flow's group is not for it
    )
    os.environ[VARIABLE] = str(mark)
    try:
        with _raising_signals():
            yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # the watcher was killed
            process.stdin.write(SAYS_GOODBYE)
            process.stdin.close()
        _ended.append(process)


@contextmanager
def _raising_signals() -> Iterator[None]:
    """Let SIGTERM raise, where nothing else handles it, and let SIGHUP do what SIGTERM does, where it would kill."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {signal.SIGTERM: _raise, signal.SIGHUP: _hang_up}
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        if before[number] is signal.SIG_DFL:  # `nohup` has SIGHUP ignored
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, original in before.items():
            signal.signal(number, original)


def _raise(number: int, _frame: FrameType | None) -> None:
    raise StoppedBySignal(number)


def _hang_up(number: int, _frame: FrameType | None) -> None:
    global _told_by
    _told_by = number
    signal.raise_signal(signal.SIGTERM)  # Prefect's handler, while a flow runs


@contextmanager
def alone(patience: Patience, what: str) -> Iterator[None]:
    """Hold the flows' lock of a checkout for the block, and end what an earlier flow left running in it.

    A person is told at once that another flow runs. A worker's run waits for it: nobody would start it again.

    Raises:
        LockedError: Another flow holds it.
    """
    root, lock = patience.workspace.root, patience.workspace.state / "flow.lock"
    if "PREFECT__FLOW_RUN_ID" in os.environ:
        patience.for_lock(lock)
    with hold_lock(lock, what), watched(root):
        end_leftovers(root, patience.say)
        yield


def end_leftovers(root: Path, say: Callable[[str], None]) -> None:
    """End the processes of flows of this checkout that were killed, in words; their stages continue where they were."""
    left: dict[Mark, list[psutil.Process]] = {}
    for mark, process in marked_processes():
        if mark.root == str(root) and not mark.is_alive:
            left.setdefault(mark, []).append(process)
    for mark, processes in left.items():
        names = sorted({name for process in processes if (name := process_name(process))})
        say(
            f"{', '.join(names)}: left running by a flow that was killed (process {mark.pid}); it is ended, "
            "and continues where it was"
        )
        end_marked(mark, grace_s=0.0, keep_jobs=True)
