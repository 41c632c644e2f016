"""Errors that a person reads: what was wrong, where, and what to do next.

Every error that a user can cause or cure derives from `PvttError`. The command line prints its
message in one line and its `hint` in the next, without a traceback (`--debug` shows it), and exits
with `exit_code`.
"""

from __future__ import annotations


class PvttError(Exception):
    """A failure with a next step.

    Args:
        message: What was wrong and where, in one line.
        hint: What to do about it, in one line.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type, tuple[str, str | None], dict[str, object]]:
        # Exceptions with more than one argument do not cross a process pool without this.
        return type(self), (self.message, self.hint), self.__dict__


class ParamsError(PvttError):
    """`params.yaml` does not fit its schema."""

    exit_code = 2


class MissingInputError(PvttError):
    """A stage's input is not there."""

    exit_code = 3


class FailureBudgetError(PvttError):
    """More items failed than `max_failed_fraction` allows."""

    exit_code = 4


class LockedError(PvttError):
    """Another run holds the lock."""

    exit_code = 5


class ValidationFailedError(PvttError):
    """A critical expectation failed; the message names the rows."""

    exit_code = 6


class StorageError(PvttError):
    """The machine's storage failed: full, read-only, failing or gone. Nothing half-written remains."""

    exit_code = 7


class ForeignCodeError(PvttError):
    """Another copy of the code would run than the one that the workspace, or the submitting process, has."""

    exit_code = 8


class GateShutError(PvttError):
    """The gate in front of the large run stays shut."""

    exit_code = 9


class NotLearnedError(PvttError):
    """A model did not learn a few samples by heart: more of them, or more hours, will not help before it does."""

    exit_code = 10


def first_line(error: BaseException) -> str:
    """The first line of what an error says; the name of its class where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
