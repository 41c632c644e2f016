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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from pvtt.errors import FailureBudgetError
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_json
from pvtt.files.storage import storage_errors
from pvtt.files.workspace import Workspace
from pvtt.items.cache import ItemCache
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.fan_out import fan_out
from pvtt.items.item import Item, ItemRejectedError, PayloadT
from pvtt.records.base import Record
from pvtt.records.catalog import Reject

__all__ = ["Done", "Item", "ItemRejectedError", "Outcome", "item_key", "materialise", "result_type", "run_items"]

ResultT = TypeVar("ResultT", bound=Record)

NUM_NAMED = 5  # items named in an error message; the rest are in rejects.jsonl


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
        WorkStoppedError: Somebody cancelled the work, its time is up, or what it runs in is wrong.
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
    failures = fan_out(stage, unfinished, work, params, workspace, dispatcher, len(items))

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


def materialise(source: Path, destination: Path) -> None:
    """Put a cache file into a stage's outs: a hard link where the file system allows it, else a copy."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(destination):
        destination.unlink(missing_ok=True)
        try:
            os.link(source, destination)
        except OSError:
            shutil.copyfile(source, destination)
