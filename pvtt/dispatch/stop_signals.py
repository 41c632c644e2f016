"""INT, TERM and HUP of a process that waits for jobs: noted, and acted on where it can clean up."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_EVERY_S = 0.1


class StopSignals:
    """Notes the signals that end a process while the block runs; `check` and `sleep` raise what they mean.

    One that is ignored, as SIGHUP is under `nohup`, stays ignored. In a thread other than the main one, which gets no
    signals, it does nothing. Signals that come while the block cleans up change nothing.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                handler = signal.getsignal(number)
                if handler is not signal.SIG_IGN and handler is not None:
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if kind is None and self.received is not None:  # it came when there was nothing more to wait for
            signal.raise_signal(self.received)

    def is_received(self) -> bool:
        """Whether a signal has come."""
        return self.received is not None

    def check(self) -> None:
        """Raise `KeyboardInterrupt` after SIGINT; `SystemExit`, with a shell's status, after SIGTERM or SIGHUP."""
        if self.received is signal.SIGINT:
            raise KeyboardInterrupt
        if self.received is not None:
            raise SystemExit(128 + self.received)

    def sleep(self, seconds: float) -> None:
        """Sleep, but for a signal. Raises as `check`."""
        end = time.monotonic() + seconds
        while True:
            self.check()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(LOOK_EVERY_S, left))

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = signal.Signals(number)
