"""A worker's part of a stage: items, worked on one after another."""

from __future__ import annotations

import json
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from pvtt.errors import PvttError, first_line
from pvtt.files.storage import raise_storage_fault, storage_fault
from pvtt.items.cache import ItemCache
from pvtt.items.dispatcher import EnvironmentFaultError
from pvtt.items.item import Item, ItemRejectedError, PayloadT
from pvtt.records.base import Record
from pvtt.records.catalog import Reject

Keyed = tuple[Item[Any], str]  # with its key in the cache


@dataclass(frozen=True)
class Shard(Generic[PayloadT]):
    """What one worker does.

    Args:
        stage: The stage's name.
        work: See `run_items`.
        params: What `work` gets.
        cache: The folder of the stage's item cache.
        counter: A file that is there when the work has begun, and gets a byte for each item that is through.
        items: With their keys.
    """

    stage: str
    work: Callable[[PayloadT, Path, Any], Record]
    params: Any
    cache: Path
    counter: Path
    items: list[Keyed]


def process_shard(shard: Shard[Any]) -> list[Reject]:
    """Work on a shard's items one after another; returns the failures.

    Raises:
        StorageError: The machine's storage failed.
        EnvironmentFaultError: The work cannot be imported.
    """
    cache = ItemCache(shard.cache)
    failures = []
    _write(shard.counter, "wb", b"")  # a worker that is started again counts from the start
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
                fault = storage_fault(error) or _environment_fault(error, shard.stage)
                if fault is not None:  # not this item's: the next would meet it too
                    raise fault from error
                failures.append(item.failure(shard.stage, "error", _one_line(error)))
        _write(shard.counter, "ab", b".")
    return failures


def _write(counter: Path, mode: str, data: bytes) -> None:
    with suppress(OSError), counter.open(mode) as file:  # a counter that cannot be written ends no work
        file.write(data)


def _environment_fault(error: Exception, stage: str) -> EnvironmentFaultError | None:
    """The fault of a Python that lacks a module; one that a library only speaks of in its own words names none."""
    if not isinstance(error, ImportError) or error.name is None:
        return None
    return EnvironmentFaultError(
        f"{stage}: {type(error).__name__}: {first_line(error)} (in {sys.executable})",
        "install what requirements.lock lists into the Python that does the work",
    )


def _one_line(error: Exception) -> str:
    """What was wrong and what to do; or, for an error not meant for a person, where it was raised."""
    message = first_line(error)
    if isinstance(error, PvttError):
        return f"{message} ({error.hint})" if error.hint else message
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{message} ({type(error).__name__} at {Path(where.filename).name}:{where.lineno})"
