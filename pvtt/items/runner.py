"""Per-item, content-addressed work.

    items ──► key = hash(inputs, params, code, schema) ──► in the cache, whole? ──► yes: reuse
                                                                └──► no: work(payload, directory, params) in a shard
    outcome: done (in the items' order) · rejects (off-spec, or failed) ──► the stage materialises its outs

A finished item is a directory in the item cache, put there by a rename, so a kill at any moment loses only the items
in work. An incremental run gives the same bytes as one from scratch, because both materialise from the same entries.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar, get_type_hints

from pvtt.errors import FailureBudgetError, PvttError, StorageError, first_line
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_json
from pvtt.files.storage import raise_storage_fault, storage_errors, storage_fault
from pvtt.files.workspace import Workspace
from pvtt.items.cache import ItemCache
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.progress import Progress
from pvtt.records.base import Record
from pvtt.records.catalog import Reject

PayloadT = TypeVar("PayloadT", bound=Record)
ResultT = TypeVar("ResultT", bound=Record)

POLL_EVERY_S = 0.3
NUM_NAMED = 5  # items named in an error message; the rest are in rejects.jsonl


class ItemRejectedError(Exception):
    """Raised by an item's work when the item is off-spec: recorded with its reason, cached, not a failure."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Item(Generic[PayloadT]):
    """One unit of work.

    Args:
        name: Stable and unique in the stage, for people and for order, for example `JEWE001_001`.
        payload: What the work function gets.
        inputs: Content hashes of everything the result depends on besides params and code.
        product_id: For the reject table.
    """

    name: str
    payload: PayloadT
    inputs: tuple[str, ...]
    product_id: str | None = None

    def failure(self, stage: str, reason: str, message: str) -> Reject:
        """The row of the reject table that says why there is no result."""
        return Reject(
            stage=stage, item=self.name, product_id=self.product_id, reason=reason, message=message, failed=True
        )


@dataclass(frozen=True)
class Done(Generic[ResultT]):
    """A finished item: its record, and the cache directory that holds its files."""

    name: str
    record: ResultT
    directory: Path


@dataclass(frozen=True)
class Outcome(Generic[ResultT]):
    """What came of a stage's items."""

    done: list[Done[ResultT]]
    rejects: list[Reject]
    num_computed: int  # items worked on in this run, rejects and failures included
    num_cached: int

    def enforce_budget(self, stage: str, max_failed_fraction: float) -> None:
        """Raise `FailureBudgetError`, naming items and reasons, if too large a fraction of all items failed."""
        failed = [reject for reject in self.rejects if reject.failed]
        total = len(self.done) + len(self.rejects)
        if not failed or len(failed) <= max_failed_fraction * total:
            return
        named = "; ".join(f"{reject.item}: {reject.reason}: {reject.message}" for reject in failed[:NUM_NAMED])
        more = f"; and {len(failed) - NUM_NAMED} more" if len(failed) > NUM_NAMED else ""
        raise FailureBudgetError(
            f"{stage}: {len(failed)} of {total} items failed, more than max_failed_fraction={max_failed_fraction}: "
            f"{named}{more}",
            f"read outs/{stage}/rejects.jsonl, mend or remove these items, and run again: finished items are kept",
        )


@dataclass(frozen=True)
class _Shard(Generic[PayloadT]):
    stage: str
    work: Callable[[PayloadT, Path, Any], Record]
    params: Any
    cache: Path
    counter: Path  # gets a byte for each item that is through
    items: list[tuple[Item[PayloadT], str]]  # with their keys


def _process_shard(shard: _Shard[Any]) -> list[Reject]:
    """Work on a shard's items one after another; returns the failures."""
    cache = ItemCache(shard.cache)
    failures = []
    for item, key in shard.items:
        if cache.read(key) is None:  # else made by a worker that died later, or by another run on a shared cache
            try:
                with cache.write(key) as entry:
                    try:
                        record = shard.work(item.payload, entry.directory, shard.params)
                        entry.result = {"record": json.loads(record.to_json())}
                    except ItemRejectedError as reject:
                        raise_storage_fault(reject, entry.directory)
                        for leftover in entry.directory.iterdir():
                            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
                        entry.result = {"reject": {"reason": reject.reason, "message": reject.message}}
            except Exception as error:  # one bad item never kills a run; it is recorded and counted
                fault = storage_fault(error)
                if fault is not None:  # not this item's: the next would meet it too
                    raise fault from error
                failures.append(item.failure(shard.stage, "error", _one_line(error)))
        _count_one(shard.counter)
    return failures


def _count_one(counter: Path) -> None:
    with suppress(OSError), counter.open("ab") as file:  # what only people look at never ends a run
        file.write(b".")


def _one_line(error: Exception) -> str:
    """What was wrong and what to do; or, for an error not meant for a person, where it was raised."""
    message = first_line(error)
    if isinstance(error, PvttError):
        return f"{message} ({error.hint})" if error.hint else message
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{message} ({type(error).__name__} at {Path(where.filename).name}:{where.lineno})"


def result_type(work: Callable[..., ResultT]) -> type[ResultT]:
    """The record that a work function says it returns."""
    kind: type[ResultT] = get_type_hints(work)["return"]
    return kind


def item_key(stage: str, item: Item[Any], params: Record, code: str, schema: str) -> str:
    """What an item's result is kept under: everything that it depends on.

    Args:
        stage: Name of the stage.
        item: Its name, payload and inputs.
        params: The params that the result depends on.
        code: `code_of` the work function.
        schema: Hash of the result's JSON Schema: a record with another field is another result.
    """
    return sha256_json(
        [stage, code, schema, json.loads(params.to_json()), item.name, item.payload.to_json(), list(item.inputs)]
    )


def run_items(
    stage: str,
    items: Sequence[Item[PayloadT]],
    work: Callable[[PayloadT, Path, Any], ResultT],
    params: Record,
    workspace: Workspace,
    dispatcher: Dispatcher,
) -> Outcome[ResultT]:
    """Bring every item to a result, reusing those in the item cache.

    Args:
        stage: Stage name.
        items: The work, in the order of the outcome.
        work: Module-level function `(payload, directory, params) -> record`, with its types. Writes its files into
            `directory`. Raises `ItemRejectedError` for an off-spec item; anything else it raises is a failure, but for
            a fault of the machine, which ends the stage.
        params: The params that the results depend on, and nothing else.
        workspace: Where the cache and the progress file are.
        dispatcher: Where shards run.

    Raises:
        StorageError: The cache cannot be written.
    """
    names = [item.name for item in items]
    if len(set(names)) != len(names):
        raise ValueError(f"{stage}: item names are not unique")
    kind = result_type(work)
    code, schema = code_of(work), sha256_json(kind.model_json_schema())
    keys = {item.name: item_key(stage, item, params, code, schema) for item in items}
    cache = ItemCache(workspace.cache / stage)
    entries = {item.name: cache.read(keys[item.name]) for item in items}
    missing = [item for item in items if entries[item.name] is None]
    unfinished = [(item, keys[item.name]) for item in missing]
    failures = _compute(stage, unfinished, work, params, workspace, dispatcher, len(items))

    done: list[Done[ResultT]] = []
    rejects: list[Reject] = []
    for item in items:
        entry = entries[item.name] or cache.read(keys[item.name])
        if entry is None:
            rejects.append(failures.get(item.name) or item.failure(stage, "lost", "its result is gone from the cache"))
        elif "reject" in entry.result:
            rejects.append(Reject(stage=stage, item=item.name, product_id=item.product_id, **entry.result["reject"]))
        else:
            done.append(Done(item.name, kind.from_json(json.dumps(entry.result["record"])), entry.directory))
    print(f"{stage}: {len(missing)} of {len(items)} items were new, the others are from the cache", file=sys.stderr)
    failed = [reject for reject in rejects if reject.failed]
    for reject in failed[:NUM_NAMED]:
        print(f"{stage}: failed: {reject.item}: {reject.message}", file=sys.stderr)
    if len(failed) > NUM_NAMED:
        print(f"{stage}: failed: {len(failed) - NUM_NAMED} more, in outs/{stage}/rejects.jsonl", file=sys.stderr)
    return Outcome(done, rejects, num_computed=len(missing), num_cached=len(items) - len(missing))


def _compute(
    stage: str,
    missing: Sequence[tuple[Item[PayloadT], str]],
    work: Callable[[PayloadT, Path, Any], Record],
    params: Record,
    workspace: Workspace,
    dispatcher: Dispatcher,
    total: int,
) -> dict[str, Reject]:
    """Work on the missing items; returns the failures by item name."""
    if not missing:
        return {}
    folder = workspace.cache / stage
    ItemCache(folder).sweep()
    num_shards = min(dispatcher.num_workers, len(missing))
    with _Counters(workspace.progress / f"{stage}.shards", num_shards) as counters:
        shards = [
            _Shard(stage, work, params, folder, counter, list(missing[index::num_shards]))
            for index, counter in enumerate(counters.files)
        ]
        progress = Progress(stage, total, workspace.progress / f"{stage}.json", done=total - len(missing))
        with progress, counters.shown_in(progress):
            results = dispatcher.map(_process_shard, shards, name=stage)
            failures: dict[str, Reject] = {}
            crashed: list[tuple[Item[PayloadT], str]] = []
            for shard, result in zip(shards, results, strict=True):
                if isinstance(result, StorageError | KeyboardInterrupt):
                    raise result
                if isinstance(result, BaseException):
                    cache = ItemCache(folder)
                    crashed += [(item, key) for item, key in shard.items if cache.read(key) is None]
                else:
                    failures |= {reject.item: reject for reject in result}
            # A worker died (a decoder's segmentation fault, the kernel's memory killer): find the item that does it.
            for item, key in crashed:
                single = _Shard(stage, work, params, folder, counters.files[0], [(item, key)])
                (result,) = dispatcher.map(_process_shard, [single], name=stage)
                if isinstance(result, StorageError | KeyboardInterrupt):
                    raise result
                if isinstance(result, BaseException):
                    message = f"the worker died: {type(result).__name__}: {first_line(result)}"
                    failures[item.name] = item.failure(stage, "crashed", message)
                else:
                    failures |= {reject.item: reject for reject in result}
    return failures


class _Counters:
    """One small file a shard, which grows by a byte an item, whatever machine the shard runs on.

    Looking at them costs one call a shard, however many items there are.
    """

    def __init__(self, folder: Path, num_shards: int) -> None:
        self._folder = folder
        self.files = [folder / str(index) for index in range(num_shards)]

    def __enter__(self) -> Self:
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):
            self._folder.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def count(self) -> int:
        """Items that are through, of all shards."""
        total = 0
        for file in self.files:
            with suppress(OSError):
                total += file.stat().st_size
        return total

    @contextmanager
    def shown_in(self, progress: Progress) -> Iterator[None]:
        """Keep a progress bar up to date during the block."""
        before = progress.done
        stop = threading.Event()

        def show() -> None:
            progress.update(min(progress.total, before + self.count()))

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


def materialise(source: Path, destination: Path) -> None:
    """Put a cache file into a stage's outs: a hard link where the file system allows it, else a copy."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(destination):
        destination.unlink(missing_ok=True)
        try:
            os.link(source, destination)
        except OSError:
            shutil.copyfile(source, destination)
