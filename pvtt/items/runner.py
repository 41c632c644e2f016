"""Per-item, content-addressed work.

    items ──► key = hash(inputs, params, code) ──► in the cache? ──► yes: reuse
                                                        └──► no: process(payload, directory, params) in a shard
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pvtt.errors import FailureBudgetError, PvttError, StorageError, first_line
from pvtt.files.atomic import atomic_directory, sweep_temporaries
from pvtt.files.hashing import code_version, sha256_json
from pvtt.files.storage import storage_errors
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.progress import Progress
from pvtt.records.base import Record
from pvtt.records.catalog import Reject

PayloadT = TypeVar("PayloadT", bound=Record)
ResultT = TypeVar("ResultT", bound=Record)

RESULT_FILE = "result.json"
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
    entries: list[tuple[Item[PayloadT], Path]] = field(default_factory=list)


def _process_shard(shard: _Shard[Any]) -> list[Reject]:
    """Work on a shard's items one after another; returns the failures."""
    failures = []
    for item, entry in shard.entries:
        if (entry / RESULT_FILE).exists():  # made by a worker that died later, or by another run on a shared cache
            continue
        try:
            with atomic_directory(entry) as directory:
                try:
                    record = shard.work(item.payload, directory, shard.params)
                    result: dict[str, Any] = {"record": json.loads(record.to_json())}
                except ItemRejectedError as reject:
                    for leftover in directory.iterdir():
                        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
                    result = {"reject": {"reason": reject.reason, "message": reject.message}}
                (directory / RESULT_FILE).write_text(json.dumps(result, sort_keys=True))
                for file in directory.rglob("*"):
                    if file.is_file():
                        file.chmod(0o444)  # outs may be hard links to these
        except StorageError:
            raise
        except Exception as error:  # one bad item never kills a run; it is recorded and counted
            failures.append(
                Reject(
                    stage=shard.stage,
                    item=item.name,
                    product_id=item.product_id,
                    reason="error",
                    message=_one_line(error),
                    failed=True,
                )
            )
    return failures


def _one_line(error: Exception) -> str:
    """What was wrong and what to do; or, for an error not meant for a person, where it was raised."""
    message = first_line(error)
    if isinstance(error, PvttError):
        return f"{message} ({error.hint})" if error.hint else message
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{message} ({type(error).__name__} at {Path(where.filename).name}:{where.lineno})"


def run_items(
    stage: str,
    items: Sequence[Item[PayloadT]],
    work: Callable[[PayloadT, Path, Any], ResultT],
    result_type: type[ResultT],
    params: Record,
    code: Sequence[str],
    workspace: Workspace,
    dispatcher: Dispatcher,
) -> Outcome[ResultT]:
    """Bring every item to a result, reusing those in the item cache.

    Args:
        stage: Stage name.
        items: The work, in the order of the outcome.
        work: Module-level function `(payload, directory, params) -> record`. Writes its files into `directory`.
            Raises `ItemRejectedError` for an off-spec item; anything else it raises is a failure.
        result_type: The record that `work` returns.
        params: The params that the results depend on, and nothing else.
        code: Packages of `pvtt` whose source the results depend on, for `code_version`.
        workspace: Where the cache and the progress file are.
        dispatcher: Where shards run.

    Raises:
        StorageError: The cache's disk is full.
    """
    names = [item.name for item in items]
    if len(set(names)) != len(names):
        raise ValueError(f"{stage}: item names are not unique")
    version = code_version(*code)
    params_hash = sha256_json(json.loads(params.to_json()))

    def entry_of(item: Item[PayloadT]) -> Path:
        key = sha256_json([stage, version, params_hash, item.name, item.payload.to_json(), list(item.inputs)])
        return workspace.cache / stage / key[:2] / key

    entries = {item.name: entry_of(item) for item in items}
    missing = [item for item in items if not (entries[item.name] / RESULT_FILE).exists()]
    failures = _compute(stage, missing, entries, work, params, workspace, dispatcher, len(items))

    done: list[Done[ResultT]] = []
    rejects: list[Reject] = []
    for item in items:
        entry = entries[item.name]
        if item.name in failures:
            rejects.append(failures[item.name])
            continue
        result = json.loads((entry / RESULT_FILE).read_text())
        if "reject" in result:
            rejects.append(Reject(stage=stage, item=item.name, product_id=item.product_id, **result["reject"]))
        else:
            done.append(Done(item.name, result_type.from_json(json.dumps(result["record"])), entry))
    print(f"{stage}: {len(missing)} of {len(items)} items were new, the others are from the cache", file=sys.stderr)
    return Outcome(done, rejects, num_computed=len(missing), num_cached=len(items) - len(missing))


def _compute(
    stage: str,
    missing: Sequence[Item[PayloadT]],
    entries: dict[str, Path],
    work: Callable[[PayloadT, Path, Any], Record],
    params: Record,
    workspace: Workspace,
    dispatcher: Dispatcher,
    total: int,
) -> dict[str, Reject]:
    """Work on the missing items; returns the failures by item name."""
    if not missing:
        return {}
    sweep_temporaries(workspace.cache / stage)
    num_shards = min(dispatcher.num_workers, len(missing))
    shards = [
        _Shard(stage, work, params, [(item, entries[item.name]) for item in missing[index::num_shards]])
        for index in range(num_shards)
    ]
    progress = Progress(stage, total, workspace.progress / f"{stage}.json", done=total - len(missing))
    with progress, _Watching(progress, [entries[item.name] for item in missing]):
        results = dispatcher.map(_process_shard, shards, name=stage)
        failures: dict[str, Reject] = {}
        crashed: list[Item[PayloadT]] = []
        for shard, result in zip(shards, results, strict=True):
            if isinstance(result, StorageError | KeyboardInterrupt):
                raise result
            if isinstance(result, BaseException):
                crashed += [item for item, entry in shard.entries if not (entry / RESULT_FILE).exists()]
            else:
                failures |= {reject.item: reject for reject in result}
        # A worker died (a decoder's segmentation fault, the kernel's memory killer): find the item that does it.
        for item in crashed:
            (result,) = dispatcher.map(
                _process_shard, [_Shard(stage, work, params, [(item, entries[item.name])])], name=stage
            )
            if isinstance(result, StorageError | KeyboardInterrupt):
                raise result
            if isinstance(result, BaseException):
                message = f"the worker died: {type(result).__name__}: {first_line(result)}"
                failures[item.name] = Reject(
                    stage=stage,
                    item=item.name,
                    product_id=item.product_id,
                    reason="crashed",
                    message=message,
                    failed=True,
                )
            else:
                failures |= {reject.item: reject for reject in result}
    return failures


class _Watching:
    """Counts finished cache entries into a progress bar, whatever machine they are made on."""

    def __init__(self, progress: Progress, entries: list[Path]) -> None:
        self._progress = progress
        self._pending = entries
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _poll(self) -> None:
        before = len(self._pending)
        self._pending = [entry for entry in self._pending if not (entry / RESULT_FILE).exists()]
        self._progress.advance(before - len(self._pending))

    def _watch(self) -> None:
        while not self._stop.wait(POLL_EVERY_S):
            self._poll()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._poll()


def materialise(source: Path, destination: Path) -> None:
    """Put a cache file into a stage's outs: a hard link where the file system allows it, else a copy."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(destination):
        destination.unlink(missing_ok=True)
        try:
            os.link(source, destination)
        except OSError:
            shutil.copyfile(source, destination)
