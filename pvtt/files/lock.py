"""One run at a time: a lock that the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pvtt.errors import LockedError
from pvtt.files.storage import storage_errors


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, or held it last.

    Args:
        what: What runs, for example `pvtt clip`.
        pid: Its process.
        since: When it took the lock, ISO 8601, UTC.
        host: The name of its machine; None in a note that does not say.
    """

    what: str
    pid: int
    since: str
    host: str | None

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is on another machine than this process."""
        return self.host is not None and self.host != socket.gethostname()


def read_holder(path: Path) -> Holder | None:
    """What the note beside the lock file `path` says; None where there is none that can be read."""
    try:
        note = json.loads(path.with_suffix(".holder.json").read_text(encoding="utf-8"))
        host = note.get("host")
        return Holder(str(note["what"]), int(note["pid"]), str(note["since"]), None if host is None else str(host))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


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
        other = read_holder(path)
        who = "another process"
        if other is not None:
            where = f" on {other.host}" if other.is_elsewhere else ""
            who = f"{other.what} (process {other.pid}{where}, since {other.since})"
        raise LockedError(
            f"{what}: {who} holds {path}", "wait until it ends, or stop that process, then run the same command again"
        ) from None
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        note = {"what": what, "pid": os.getpid(), "since": since, "host": socket.gethostname()}
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
