"""A flow waits for whoever is at work in its checkout, in words and with a limit, and then goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from flows.at_work import Work, find_work
from flows.graph import StageGraph, dvc, read_graph
from pvtt.dispatch.command import StepError, run_step
from pvtt.errors import LockedError
from pvtt.files.lock import is_held, read_holder
from pvtt.files.workspace import Workspace
from pvtt.records.process import ProgressState

T = TypeVar("T")

WAIT_HOURS = 72.0
POLLS_S = (0.5, 1.0, 2.0, 5.0)  # then every five seconds
BLOCKED_TRIES = 5  # of a command that another holds up, though nothing is seen at work
BLOCKED = ("is busy, it is being blocked by:", "Unable to acquire lock.", "Unable to read RWLock-file")

wait_hours_option = click.option(
    "--wait-hours",
    type=click.FloatRange(min=0),
    default=WAIT_HOURS,
    show_default=True,
    help="How long to wait for a stage or a command of DVC that somebody else runs here.",
)


@dataclass(frozen=True)
class Patience:
    """How a run waits.

    Args:
        workspace: Where it runs.
        say: Told whom it waits for, and what it cleared.
        hours: How long it waits at most, each time. With 0 it does not wait.
        check: Called at each look while it waits, and while its commands run; what it raises ends both.
    """

    workspace: Workspace
    say: Callable[[str], None]
    hours: float = WAIT_HOURS
    check: Callable[[], None] = lambda: None

    def for_work(self) -> bool:
        """Return once nobody else is at work in the checkout; whether anybody was.

        Raises:
            LockedError: Somebody still is, after the time limit.
        """
        return self._wait(lambda: find_work(self.workspace, self.say))

    def for_lock(self, path: Path) -> None:
        """Return once nobody holds the lock file `path`. Raises `LockedError` after the time limit."""
        self._wait(lambda: [_holder(path)] if is_held(path) else [])

    def graph(self) -> StageGraph:
        """What DVC knows of the stages, once nobody is at work."""
        return self._unblocked(lambda: read_graph(self.workspace.root), lambda error: isinstance(error, LockedError))

    def run_dvc(
        self, name: str, arguments: Sequence[str], on_progress: Callable[[ProgressState], None] | None = None
    ) -> str:
        """Run a command of DVC as `run_step` does, once nobody else is at work, and again where one came between."""
        log = self.workspace.state / "logs" / f"{name}.log"

        def run() -> str:
            return run_step(self.workspace, name, dvc(*arguments), on_progress, on_poll=self.check)

        def is_blocked(error: Exception) -> bool:
            return isinstance(error, StepError) and (error.exit_code == LockedError.exit_code or _tells_of_a_lock(log))

        return self._unblocked(run, is_blocked)

    def _unblocked(self, act: Callable[[], T], is_blocked: Callable[[Exception], bool]) -> T:
        tries = 0
        while True:
            if self.for_work():
                tries = 0
            try:
                return act()
            except Exception as error:
                tries += 1
                if not is_blocked(error) or tries == BLOCKED_TRIES:
                    raise
                time.sleep(POLLS_S[min(tries, len(POLLS_S) - 1)])

    def _wait(self, look: Callable[[], list[Work]]) -> bool:
        started = time.monotonic()
        told: set[str] = set()
        pids: set[int | None] = set()  # `dvc repro`, between its stages and after them, is no news
        polls = 0
        while works := look():
            self.check()
            if time.monotonic() - started >= self.hours * 3600:
                raise LockedError(_too_long(works, self.hours), _advice(works))
            news = [work for work in works if work.what not in told and not (work.is_command and work.pid in pids)]
            if polls:  # what ends within a moment needs no words
                for work in news:
                    self.say(f"{work} still works: waiting")
                told |= {work.what for work in news}
                pids |= {work.pid for work in news}
            time.sleep(POLLS_S[min(polls, len(POLLS_S) - 1)])
            polls += 1
        if told:
            self.say(f"{', '.join(sorted(told))}: no longer at work, going on")
        return polls > 0


def _holder(path: Path) -> Work:
    holder = read_holder(path)
    if holder is None:
        return Work("another run")
    return Work(holder.what, holder.pid, holder.since, holder.host if holder.is_elsewhere else None)


def _too_long(works: list[Work], hours: float) -> str:
    waited = f", after {hours:g} hours of waiting" if hours else ""
    return f"{', '.join(map(str, works))} still works in this checkout{waited}"


def _advice(works: list[Work]) -> str:
    hosts = sorted({work.host for work in works if work.host})
    if hosts:
        return f"see on {', '.join(hosts)} whether it still runs; if not, `dvc status` there clears its lock"
    return "wait longer with --wait-hours, or stop that process, then run the same command again"


def _tells_of_a_lock(log: Path) -> bool:
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(words in text for words in BLOCKED)
