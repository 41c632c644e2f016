"""Progress of long work: a bar on a terminal, plain lines elsewhere, and a `progress.json` for the flow."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pvtt.errors import StorageError
from pvtt.files.atomic import atomic_write_text
from pvtt.records.process import ProgressState

WRITE_EVERY_S = 0.5
LINE_EVERY_S = 15.0


class Progress:
    """Counts done out of total for one stage, with an estimate of the time left.

    Args:
        stage: Name shown and written.
        total: Number of items or steps.
        path: The `progress.json` to keep; None writes none.
        done: Already done at the start (cached items, the step a run resumes from).
        unit: What is counted, in the plural.
    """

    def __init__(self, stage: str, total: int, path: Path | None = None, done: int = 0, unit: str = "items") -> None:
        self.stage = stage
        self.total = total
        self.done = done
        self.unit = unit
        self.note = ""
        self._path = path
        self._start = time.monotonic()
        self._done_at_start = done
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._last_write = 0.0
        self._last_line = self._start
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description:<13}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(self.stage, total=self.total, completed=self.done, note="")
        self._publish(force=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._publish(force=True)
        if self._bar is not None:
            self._bar.stop()
        elif kind is None:
            self._line()

    @property
    def eta_s(self) -> float | None:
        """Seconds left, from the mean speed so far; None before anything is done."""
        fresh = self.done - self._done_at_start
        if fresh <= 0:
            return None
        return (self.total - self.done) * (time.monotonic() - self._start) / fresh

    def update(self, done: int, note: str = "") -> None:
        """Set the number done, and a short note such as `loss 0.41`."""
        self.done = done
        self.note = note
        self._publish()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add to the number done."""
        self.update(self.done + count, note)

    def _line(self) -> None:
        eta = self.eta_s
        left = f", {eta:.0f} s left" if eta is not None and self.done < self.total else ""
        elapsed = time.monotonic() - self._start
        note = f"  {self.note}" if self.note else ""
        print(f"{self.stage}: {self.done}/{self.total} {self.unit} in {elapsed:.0f} s{left}{note}", file=sys.stderr)

    def _publish(self, force: bool = False) -> None:
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, total=self.total, note=self.note)
        elif now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            self._line()
        if self._path is None or (not force and now - self._last_write < WRITE_EVERY_S):
            return
        self._last_write = now
        eta = self.eta_s
        state = ProgressState(
            stage=self.stage,
            done=self.done,
            total=self.total,
            unit=self.unit,
            note=self.note,
            started_at=self._started_at,
            elapsed_s=round(now - self._start, 1),
            eta_s=None if eta is None else round(eta, 1),
        )
        with suppress(StorageError):  # a note for whoever watches never ends the work that it is about
            atomic_write_text(self._path, state.to_json())
