"""Signals that wait for the end of a step.

SIGTERM (Slurm's cancel, a shutdown), SIGINT (Ctrl-C), SIGUSR1 and SIGUSR2 (warnings before a time limit or a
preemption, the second submitit's) would end a training in the middle of a step. Here they only set a flag; the loop
saves a checkpoint and then lets the signal do what it would have done: end the process, raise KeyboardInterrupt, or
requeue the job.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class DeferredSignals:
    """Holds signals back while the block runs. In a thread other than the main one it does nothing."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if handler is not signal.SIG_IGN and handler is not None:
                    self._previous[number] = signal.signal(number, self._receive)
        return self

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)

    def deliver(self, number: signal.Signals) -> None:
        """Let a signal do what it would have done without this block; returns where that was nothing."""
        self.received = None
        if number in self._previous:
            signal.signal(number, self._previous[number])
            signal.raise_signal(number)
            signal.signal(number, self._receive)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if kind is None and self.received is not None:
            signal.raise_signal(self.received)
