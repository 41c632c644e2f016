"""The interface between per-item work and the places it can run on; `pvtt.dispatch` implements it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")


class Dispatcher(Protocol):
    """Runs picklable functions somewhere: in this process, in N processes, or as Slurm jobs."""

    @property
    def num_workers(self) -> int:
        """How many shards run at once."""
        ...

    def map(
        self, function: Callable[[ArgumentT], ResultT], arguments: Sequence[ArgumentT], *, name: str
    ) -> list[ResultT | BaseException]:
        """Call `function` on each argument and return results in the arguments' order.

        An exception of the function, or a worker that died, is returned in its place, not raised.
        """
        ...

    def run(self, function: Callable[[ArgumentT], ResultT], argument: ArgumentT, *, name: str) -> ResultT:
        """Call `function` once as one job with the profile's whole resources (training); raises what it raises."""
        ...
