"""One run at a time: a lock that the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pvtt.errors import LockedError
from pvtt.files.storage import storage_errors


@contextmanager
def hold_lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` for the block.

    Args:
        path: The lock file; a `.holder.json` beside it says who holds it.
        what: What is running, for the other side's error message, for example `pvtt clip`.

    Raises:
        LockedError: Another process holds it; says which and since when.
        StorageError: The lock file cannot be written.
    """
    holder = path.with_suffix(".holder.json")
    lock = FileLock(path)
    try:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
    except Timeout:
        try:
            other = json.loads(holder.read_text())
            who = f"{other['what']} (process {other['pid']}, since {other['since']})"
        except (OSError, ValueError, KeyError):
            who = "another process"
        raise LockedError(
            f"{what}: {who} holds {path}", "wait until it ends, or stop that process, then run the same command again"
        ) from None
    try:
        note = {"what": what, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        with suppress(OSError):  # the lock holds without the note
            holder.write_text(json.dumps(note))
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock file `path` now."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once, by the close
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
