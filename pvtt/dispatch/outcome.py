"""A call's outcome as it travels between processes: a value, or an exception that can be unpickled."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pvtt.errors import PvttError


class WorkerDiedError(PvttError):
    """The process or job that did the work ended without an outcome."""


@dataclass(frozen=True)
class Outcome:
    """What a call returned, or what it raised (then `value` is None)."""

    value: Any = None
    error: BaseException | None = None

    def unwrap(self) -> Any:
        """The value. Raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.value


def call(function: Callable[[Any], Any], argument: Any) -> Outcome:
    """Call `function`; its exception becomes part of the outcome, with the traceback as a note."""
    try:
        return portable(Outcome(value=function(argument)))
    except Exception as error:  # it goes back to the caller
        trace = "".join(traceback.format_exception(error))
        error.add_note(f"in the worker:\n{trace}")
        return portable(Outcome(error=error))


def portable(outcome: Outcome) -> Outcome:
    """The same outcome if it survives pickling; else an error outcome that says what it was."""
    try:
        pickle.loads(pickle.dumps(outcome))
    except Exception as fault:  # anything can be raised by a foreign class's pickling
        if outcome.error is not None:
            error = RuntimeError(f"{type(outcome.error).__name__}: {outcome.error}")
            for note in getattr(outcome.error, "__notes__", ()):
                error.add_note(note)
            return Outcome(error=error)
        return Outcome(error=TypeError(f"the result, a {type(outcome.value).__name__}, cannot be pickled: {fault}"))
    return outcome
