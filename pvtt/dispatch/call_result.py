"""What came of a call, as it travels between processes: a value, or an exception that can be unpickled."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pvtt.files.heap import keep_freed_memory
from pvtt.items.dispatcher import WorkerDiedError

__all__ = ["CallResult", "WorkerDiedError", "call", "portable"]


@dataclass(frozen=True)
class CallResult:
    """What a call returned, or what it raised (then `value` is None)."""

    value: Any = None
    error: BaseException | None = None

    def unwrap(self) -> Any:
        """The value. Raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.value


def call(function: Callable[[Any], Any], argument: Any) -> CallResult:
    """Call `function`; its exception becomes part of the result, with the traceback as a note."""
    keep_freed_memory()
    try:
        return portable(CallResult(value=function(argument)))
    except Exception as error:  # it goes back to the caller
        trace = "".join(traceback.format_exception(error))
        error.add_note(f"in the worker:\n{trace}")
        return portable(CallResult(error=error))


def portable(result: CallResult) -> CallResult:
    """The same result if it survives pickling; else an error that says what it was."""
    try:
        pickle.loads(pickle.dumps(result))
    except Exception as fault:  # anything can be raised by a foreign class's pickling
        if result.error is not None:
            error = RuntimeError(f"{type(result.error).__name__}: {result.error}")
            for note in getattr(result.error, "__notes__", ()):
                error.add_note(note)
            return CallResult(error=error)
        return CallResult(error=TypeError(f"the result, a {type(result.value).__name__}, cannot be pickled: {fault}"))
    return result
