"""What a person sees of a run: one live line a stage on a terminal, one plain line at each step elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, Self, TextIO

from pvtt.records.process import ProgressState

Ending = Literal["done", "from the cache", "up to date", "failed"]  # of a stage
LINE_EVERY_S = 15.0  # of plain progress
MARKS: dict[Ending, str] = {
    "done": "[green]✓[/]",
    "from the cache": "[green]✓[/]",
    "up to date": "[green]✓[/]",
    "failed": "[red]✗[/]",
}


class Board:
    """One line a stage: name, bar, count, note, time and time left.

    Args:
        names: The stages, in order; all are shown from the start.
        stream: Where to; standard error by default, so that standard output carries the result alone.
    """

    def __init__(self, names: Sequence[str], stream: TextIO | None = None) -> None:
        self._names = names
        self._stream = stream or sys.stderr
        self._width = max(map(len, names))
        self._started: dict[str, float] = {}
        self._last_line = 0.0
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bars = Progress(
                TextColumn("{task.fields[mark]}"),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[count]}", justify="right"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                TextColumn("{task.fields[note]}", style="dim"),
                console=Console(file=self._stream),
                refresh_per_second=4,
            )
            for name in self._names:
                self._tasks[name] = self._bars.add_task(
                    name, start=False, total=None, mark="·", count="", left="", note=""
                )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def start(self, name: str) -> None:
        """A stage begins."""
        self._started[name] = time.monotonic()
        if self._bars is not None:
            self._bars.start_task(self._tasks[name])
            self._bars.update(self._tasks[name], mark="[yellow]▸[/]")

    def update(self, name: str, state: ProgressState) -> None:
        """A stage has advanced."""
        count = f"{state.done}/{state.total} {state.unit}"
        left = "" if state.eta_s is None else f"{timedelta(seconds=round(state.eta_s))} left"
        if self._bars is not None:
            self._bars.update(
                self._tasks[name], completed=state.done, total=state.total, count=count, left=left, note=state.note
            )
            return
        now = time.monotonic()
        if now - max(self._last_line, self._started[name]) >= LINE_EVERY_S:
            self._last_line = now
            self._line(name, "…", "  ".join(part for part in (count, left, state.note) if part))

    def finish(self, name: str, ending: Ending, note: str = "") -> None:
        """A stage has ended."""
        seconds = time.monotonic() - self._started.get(name, time.monotonic())
        if self._bars is None:
            self._line(name, ending, f"{seconds:.0f} s  {note}".rstrip() if ending != "up to date" else note)
            return
        task = self._tasks[name]
        if name not in self._started:
            self._bars.start_task(task)
        shown = {} if ending == "failed" else {"total": 1, "completed": 1}
        self._bars.update(task, mark=MARKS[ending], left="", note=note or ending, **shown)
        self._bars.stop_task(task)

    def say(self, line: str) -> None:
        """A line above the bars, for example that something is tried again."""
        if self._bars is not None:
            self._bars.console.print(line, markup=False)
        else:
            print(line, file=self._stream, flush=True)

    def _line(self, name: str, ending: str, rest: str) -> None:
        print(f"{name:<{self._width}}  {ending:<14}  {rest}".rstrip(), file=self._stream, flush=True)


def announce(line: str, board: Board | None = None) -> None:
    """Tell a person something besides the stages: above the bars, and on the run's page."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    if board is not None:
        board.say(line)
    else:
        print(line, file=sys.stderr, flush=True)
    with suppress(MissingContextError):  # no flow runs: the line on standard error is all there is
        get_run_logger().info(line)
