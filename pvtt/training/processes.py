"""What several processes of a training must agree on: one that stopped alone would leave the others waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from pvtt.errors import PvttError, first_line

if TYPE_CHECKING:
    from accelerate import Accelerator

Item = TypeVar("Item")


class Processes:
    """The processes of a training. All must call its methods, in the same order; alone, they cost nothing."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.count = accelerator.num_processes
        self.rank = accelerator.process_index
        self.is_main = accelerator.is_main_process

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.count == 1:
            return flag
        flags = torch.tensor(float(flag), device=self._accelerator.device)
        return bool(self._accelerator.reduce(flags, "sum") > 0)

    def union(self, items: Sequence[Item]) -> list[Item]:
        """All processes' items, in the order of the processes."""
        if self.count == 1 or not self.any(bool(items)):
            return list(items)
        return self._gather(list(items))

    def from_main(self, items: Sequence[Item]) -> list[Item]:
        """The first process's items."""
        return self.union(items if self.is_main else [])

    def sum(self, values: Tensor) -> Tensor:
        """The sum of all processes' tensors of one shape."""
        if self.count == 1:
            return values
        total: Tensor = self._accelerator.reduce(values, "sum")
        return total

    def wait(self) -> None:
        """Until all are here."""
        self._accelerator.wait_for_everyone()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All go on after the block, or none: an error of one process ends every one.

        Nothing in the block may wait for another process.

        Raises:
            PvttError: Another process failed; says which, and why.
        """
        error: Exception | None = None
        try:
            yield
        except Exception as failure:
            error = failure
        failures = self.union([] if error is None else [(self.rank, first_line(error), getattr(error, "hint", None))])
        if error is not None:
            raise error
        if failures:
            rank, text, hint = failures[0]
            raise PvttError(f"process {rank} of {self.count}: {text}", hint)

    def _gather(self, items: list[Item]) -> list[Item]:
        from accelerate.utils import gather_object

        gathered: list[Item] = gather_object(items)
        return gathered
