"""Work in this process, one argument after another: for tests and debuggers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pvtt.items.dispatcher import ArgumentT, ResultT


class InlineDispatcher:
    """A `Dispatcher` without processes. Work that crashes takes this process with it."""

    @property
    def num_workers(self) -> int:
        return 1

    def workers_for(self, name: str) -> int:
        """See `Dispatcher.workers_for`."""
        return self.num_workers

    def left_behind(self, name: str) -> list[object] | None:
        """None: work here ends with this process."""
        return None

    def map(
        self, function: Callable[[ArgumentT], ResultT], arguments: Sequence[ArgumentT], *, name: str
    ) -> list[ResultT | BaseException]:
        """See `Dispatcher.map`."""
        results: list[ResultT | BaseException] = []
        for argument in arguments:
            try:
                results.append(function(argument))
            except Exception as error:  # returned in its place, as the protocol says
                results.append(error)
        return results

    def run(self, function: Callable[[ArgumentT], ResultT], argument: ArgumentT, *, name: str) -> ResultT:
        """See `Dispatcher.run`."""
        return function(argument)
