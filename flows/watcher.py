"""The process that ends what a flow started, once the flow is gone: `python -P flows/watcher.py MARK`.

A flow can be killed in ways that let it do nothing more, and DVC passes no signal on to a stage. Everything below a
flow carries a mark in its environment, which processes inherit; the watcher waits for the flow's end of its standard
input to close, as it does whenever and however the flow ends, and then ends what carries the mark.

A flow that ends by itself, or is told to, says so first. One that was killed does not: then a stage that waits for
Slurm jobs is killed too, since told to end it would cancel them. They run on, and the next run waits for them.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

VARIABLE = "PVTT_FLOW"
DISPATCH = "PVTT_DISPATCH"
SAYS_GOODBYE = b"."  # what a flow writes that was not killed
SLURM_JOB = "SLURM_JOB_ID"  # a job on a node is its cluster's, even where the node is this host
GRACE_S = 2.0  # for what ends by itself, or was told to
TERMINATE_WITHIN_S = 120.0  # a training saves a checkpoint
POLL_EVERY_S = 0.1
SAME_START_S = 1.0


@dataclass(frozen=True)
class Mark:
    """Which flow a process belongs to.

    Args:
        pid: The flow's process.
        started: When that started, in seconds since the epoch.
        root: The flow's checkout.
    """

    pid: int
    started: float
    root: str

    def __str__(self) -> str:
        return f"{self.pid}:{self.started:.2f}:{self.root}"

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """The mark that `str` made; None where it is none."""
        try:
            pid, started, root = text.split(":", 2)
            return cls(int(pid), float(started), root)
        except ValueError:
            return None

    @property
    def is_alive(self) -> bool:
        """Whether the flow still runs."""
        try:
            process = psutil.Process(self.pid)
            return not _is_zombie(process) and abs(float(process.create_time()) - self.started) < SAME_START_S
        except psutil.NoSuchProcess:
            return False


def marked_processes() -> list[tuple[Mark, psutil.Process]]:
    """All processes of this user that carry a mark, this one aside."""
    found = []
    own_job = os.environ.get(SLURM_JOB)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            environment = process.environ()
            mark = Mark.parse(environment.get(VARIABLE, ""))
            if mark is not None and process.pid != os.getpid() and environment.get(SLURM_JOB) == own_job:
                found.append((mark, process))
    return found


def end_marked(mark: Mark, grace_s: float = GRACE_S, keep_jobs: bool = False) -> None:
    """End every process that carries the mark: politely, then not; also those that start meanwhile.

    With `keep_jobs`, stages that wait for Slurm jobs get no chance to cancel them.
    """
    started = time.monotonic()
    told: set[psutil.Process] = set()
    while left := [process for found, process in marked_processes() if found == mark and not _is_zombie(process)]:
        waited = time.monotonic() - started
        for process in left:
            with suppress(psutil.Error):
                if waited >= grace_s + TERMINATE_WITHIN_S or (keep_jobs and _waits_for_jobs(process)):
                    process.kill()
                elif waited >= grace_s and process not in told:
                    process.terminate()
                    told.add(process)
        time.sleep(POLL_EVERY_S)


def _waits_for_jobs(process: psutil.Process) -> bool:
    """Whether it is a stage whose work runs on Slurm."""
    environment = process.environ()
    return "DVC_STAGE" in environment and environment.get(DISPATCH, "").endswith((".yaml", ".yml"))


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _main(text: str) -> None:
    mark = Mark.parse(text)
    assert mark is not None, text
    said = sys.stdin.buffer.read()  # until the flow's end closes
    end_marked(mark, keep_jobs=said != SAYS_GOODBYE)


if __name__ == "__main__":
    _main(sys.argv[1])
