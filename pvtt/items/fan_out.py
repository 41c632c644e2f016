"""Items spread over workers, in rounds, until each has a result, is recorded as failed, or the machine is to blame.

A worker that dies tells by its counter which item it was at. The next round, one `map` for all that died, has each such
item alone, and the rest of its shard spread anew. An item that ends a worker alone too has failed.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pvtt.errors import first_line
from pvtt.files.workspace import Workspace
from pvtt.items.cache import ItemCache
from pvtt.items.dispatcher import (
    Dispatcher,
    EnvironmentFaultError,
    MemoryLimitError,
    WorkerDiedError,
    WorkerLostError,
    WorkStoppedError,
)
from pvtt.items.item import Item
from pvtt.items.progress import Progress
from pvtt.items.shard import Keyed, Shard, process_shard
from pvtt.records.base import Record
from pvtt.records.catalog import Reject

POLL_EVERY_S = 0.3
MAX_ROUNDS_WITHOUT_PROGRESS = 10
MAX_DEATHS_AT_FIRST = 3  # items that end their workers, before any item of the stage is through


def fan_out(
    stage: str,
    missing: Sequence[Keyed],
    work: Callable[[Any, Path, Any], Record],
    params: Record,
    workspace: Workspace,
    dispatcher: Dispatcher,
    total: int,
) -> dict[str, Reject]:
    """Work on the missing items; returns the failures by item name.

    Raises:
        StorageError: The cache cannot be written.
        WorkStoppedError: Somebody cancelled the work, its time is up, or what it runs in is wrong.
        WorkerDiedError: Workers die whatever they work on.
    """
    if not missing:
        return {}
    plan = Shard(stage, work, params, workspace.cache / stage, workspace.progress / f"{stage}.shards", [])
    ItemCache(plan.cache).sweep()
    shards = _left_behind(plan, dispatcher, missing) or _spread(plan, missing, dispatcher.workers_for(stage), 0)
    rounds = _Rounds(plan)
    progress = Progress(stage, total, workspace.progress / f"{stage}.json", done=total - len(missing))
    try:
        with progress:
            for number in range(1, sys.maxsize):
                with _shown(progress, [shard.counter for shard in shards], total - sum(len(s.items) for s in shards)):
                    results = dispatcher.map(process_shard, shards, name=stage)
                alone, rest = rounds.take(shards, results)
                if not alone and not rest:
                    break
                single = [
                    shard
                    for index, keyed in enumerate(alone)
                    for shard in _spread(plan, [keyed], 1, number, f"alone-{index}")
                ]
                shards = single + _spread(plan, rest, max(1, dispatcher.workers_for(stage) - len(single)), number)
                print(
                    f"{stage}: workers ended early; items tried again, alone where one was at work: {len(alone)}, "
                    f"in new shards: {len(rest)}",
                    file=sys.stderr,
                )
    finally:
        shutil.rmtree(plan.counter, ignore_errors=True)
    return rounds.failures


@dataclass
class _Rounds:
    """What came of the rounds so far."""

    plan: Shard[Any]
    failures: dict[str, Reject] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)  # items that have ended a worker
    any_through: bool = False
    without_progress: int = 0

    def take(
        self, shards: Sequence[Shard[Any]], results: Sequence[list[Reject] | BaseException]
    ) -> tuple[list[Keyed], list[Keyed]]:
        """Take in a round's results; returns the items to try alone, and the others that are still to do.

        Raises:
            BaseException: A shard's, where it is not of its items.
        """
        cache = ItemCache(self.plan.cache)
        alone: list[Keyed] = []
        rest: list[Keyed] = []
        last: WorkerDiedError | None = None
        num_at_first = sum(len(shard.items) for shard in shards)
        for shard, result in zip(shards, results, strict=True):
            if isinstance(result, list):
                self.failures |= {reject.item: reject for reject in result}
                self.any_through = True
                continue
            if not isinstance(result, WorkerDiedError) or isinstance(result, WorkStoppedError):
                raise result  # the storage's, the program's, the environment's, or a person's
            last = result
            left = [keyed for keyed in shard.items if cache.read(keyed[1]) is None]
            if isinstance(result, WorkerLostError):
                rest += left
                continue
            place = _count(shard.counter)
            if place is None:
                raise EnvironmentFaultError(
                    f"{shard.stage}: a worker ended before its first item: {result.message}", result.hint
                ) from result
            self.any_through |= place > 0
            at = shard.items[place] if place < len(shard.items) else None
            if at is not None and at in left:
                left.remove(at)
                if not self._blame(at[0], result, len(shard.items)):
                    alone.append(at)
            rest += left
        if last is not None:
            self._brake(num_at_first, len(alone), len(rest), last)
        return alone, rest

    def _blame(self, item: Item[Any], death: WorkerDiedError, num_items: int) -> bool:
        """Record that an item ended its worker, if it did so before and was alone now."""
        if item.name not in self.suspects or num_items > 1:
            self.suspects.add(item.name)
            return False
        reason = "out_of_memory" if isinstance(death, MemoryLimitError) else "crashed"
        message = f"the worker died: {type(death).__name__}: {first_line(death)}"
        self.failures[item.name] = item.failure(self.plan.stage, reason, message)
        return True

    def _brake(self, num_items: int, num_alone: int, num_rest: int, death: WorkerDiedError) -> None:
        """Raise the death of a worker where going on leads nowhere."""
        if not self.any_through and len(self.failures) >= MAX_DEATHS_AT_FIRST:
            raise EnvironmentFaultError(
                f"{self.plan.stage}: {len(self.failures)} items ended their workers and none is through: "
                f"the fault is the machine's, not theirs: {death.message}",
                death.hint,
            ) from death
        self.without_progress = self.without_progress + 1 if num_alone + num_rest >= num_items else 0
        if self.without_progress > MAX_ROUNDS_WITHOUT_PROGRESS:
            raise death


def _spread(plan: Shard[Any], items: Sequence[Keyed], num_shards: int, number: int, name: str = "") -> list[Shard[Any]]:
    """The items of a round in as many shards as work at once, each with a counter of its own."""
    count = min(num_shards, len(items))
    folder = plan.counter / str(number) / name
    with suppress(OSError):
        if number == 0:
            shutil.rmtree(plan.counter, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    return [
        Shard(plan.stage, plan.work, plan.params, plan.cache, folder / str(index), list(items[index::count]))
        for index in range(count)
    ]


def _left_behind(plan: Shard[Any], dispatcher: Dispatcher, missing: Sequence[Keyed]) -> list[Shard[Any]] | None:
    """The shards that a killed run left at work, where they are this work and hold all that is missing."""
    left = dispatcher.left_behind(plan.stage)
    if not left:
        return None
    shards = [shard for shard in left if isinstance(shard, Shard)]
    same = len(shards) == len(left) and all(
        (shard.stage, shard.work, shard.params, shard.cache) == (plan.stage, plan.work, plan.params, plan.cache)
        for shard in shards
    )
    at_work = {(item.name, key) for shard in shards for item, key in shard.items}
    return shards if same and {(item.name, key) for item, key in missing} <= at_work else None


def _count(counter: Path) -> int | None:
    """Items that a shard is through with; None where its work has not begun."""
    try:
        return counter.stat().st_size
    except OSError:
        return None


@contextmanager
def _shown(progress: Progress, counters: Sequence[Path], before: int) -> Iterator[None]:
    """Keep a progress bar up to date during the block: one look a shard, however many items there are.

    Args:
        progress: The bar.
        counters: The shards' files.
        before: Items that were through when the shards were made.
    """
    stop = threading.Event()

    def show() -> None:
        done = before + sum(_count(counter) or 0 for counter in counters)
        progress.update(max(progress.done, min(progress.total, done)))

    def watch() -> None:
        while not stop.wait(POLL_EVERY_S):
            show()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        show()
