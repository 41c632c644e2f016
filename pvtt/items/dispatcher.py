"""The interface between per-item work and the places it can run on; `pvtt.dispatch` implements it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from pvtt.errors import PvttError

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")


class WorkerDiedError(PvttError):
    """The process or job that did the work ended without a result."""


class WorkerLostError(WorkerDiedError):
    """The worker was taken away: preempted, or its node failed. The same work can be sent again."""


class MemoryLimitError(WorkerDiedError):
    """The work wanted more memory than it was given, of the host or of the GPU."""


class WorkStoppedError(WorkerDiedError):
    """The work must not be sent again before a person did something; `Dispatcher.map` raises it."""


class TimeLimitError(WorkStoppedError):
    """The time limit ended the work, as often as its profile allows."""


class EnvironmentFaultError(WorkStoppedError):
    """What the work runs in cannot run it: a wrong Python, a package that is missing, a folder that is not mounted."""


class Dispatcher(Protocol):
    """Runs picklable functions somewhere: in this process, in N processes, or as Slurm jobs."""

    def workers_for(self, name: str) -> int:
        """How many shards of the stage `name` run at once."""
        ...

    def map(
        self, function: Callable[[ArgumentT], ResultT], arguments: Sequence[ArgumentT], *, name: str
    ) -> list[ResultT | BaseException]:
        """Call `function` on each argument and return results in the arguments' order.

        An exception of the function, or a worker that died, is returned in its place, not raised.

        Raises:
            WorkStoppedError: A person stopped the work, its time is up, or what it runs in is wrong.
        """
        ...

    def left_behind(self, name: str) -> list[object] | None:
        """The arguments of a `map` of this name that a killed process left at work; None where there is none.

        A `map` with the very same function and arguments takes its results, and starts nothing.
        """
        ...

    def run(self, function: Callable[[ArgumentT], ResultT], argument: ArgumentT, *, name: str) -> ResultT:
        """Call `function` once as one job with the profile's whole resources (training); raises what it raises."""
        ...
