"""DVC's file `.dvc/tmp/rwlock`: which processes read and write which outputs.

It outlives a process that is killed, and the next process that gets its number is taken for it. DVC writes it in place,
so that a kill can leave half of it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from pvtt.errors import LockedError
from pvtt.files.atomic import atomic_write_text

NAME = "rwlock"
UNREADABLE = "rwlock.unreadable"
READ_AGAIN_S = 0.2  # for a moment it may be half of itself
READS = 10
CLOCK_MARGIN_S = 2.0  # between the times of a file and of a process


@dataclass(frozen=True)
class Entry:
    """What `rwlock` says of a process: its command, and the files that it locks."""

    command: str
    paths: tuple[str, ...]


def read_rwlock(folder: Path) -> dict[str, Any] | None:
    """What the file says; None where it is not what DVC writes."""
    for attempt in range(READS):
        if attempt:
            time.sleep(READ_AGAIN_S)
        try:
            content = json.loads((folder / NAME).read_text(encoding="utf-8"))
            entries_of(content)
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        return dict(content)
    return None


def entries_of(content: dict[str, Any]) -> dict[int, Entry]:
    """The entries by process."""
    entries: dict[int, Entry] = {}
    listed = [(path, info) for path, info in content.get("write", {}).items()]
    listed += [(path, info) for path, infos in content.get("read", {}).items() for info in infos]
    for path, info in listed:
        pid = int(info["pid"])
        before = entries.get(pid, Entry(str(info["cmd"]), ()))
        entries[pid] = Entry(before.command, (*before.paths, str(path)))
    return entries


def process_of(pid: int, written: float) -> psutil.Process | Literal["hidden"] | None:
    """The process that holds a lock; None where it is gone, and its number nobody's or another's.

    A holder started before it wrote the file. Of another user's, the machine may tell no more than that it is there.
    """
    if pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or process.create_time() > written + CLOCK_MARGIN_S:
            return None
        return process
    except psutil.NoSuchProcess:
        try:
            os.kill(pid, 0)
        except PermissionError:
            return "hidden"
        except (OSError, OverflowError):
            pass
        return None


def clear(folder: Path, gone: set[int]) -> None:
    """Take dead processes out of `rwlock`, and leave what others have written meanwhile."""
    with _guarding(folder):
        content = read_rwlock(folder)
        written = written_at(folder)
        if not content:
            return
        dead = {pid for pid in gone if process_of(pid, written) is None}
        kept = {
            "write": {name: info for name, info in content.get("write", {}).items() if int(info["pid"]) not in dead},
            "read": {
                name: left
                for name, infos in content.get("read", {}).items()
                if (left := [info for info in infos if int(info["pid"]) not in dead])
            },
        }
        atomic_write_text(folder / NAME, json.dumps(kept))


def put_aside(folder: Path) -> bool:
    """Move a file that cannot be read out of DVC's way; whether there was one."""
    with _guarding(folder):
        if read_rwlock(folder) is not None:
            return False
        shutil.move(folder / NAME, folder / UNREADABLE)
        return True


@contextmanager
def _guarding(folder: Path) -> Iterator[None]:
    """Hold the lock that DVC holds while it changes `rwlock`."""
    from dvc.config import Config
    from dvc.lock import LockError, make_lock

    hardlink = bool(Config(str(folder.parent), validate=False).get("core", {}).get("hardlink_lock", False))
    path = folder / "rwlock.lock"
    try:
        lock = make_lock(str(path), tmp_dir=str(folder), hardlink_lock=hardlink)
        with lock:
            yield
    except LockError:
        raise LockedError(f"{path} is held by a command of DVC", "run the same command again") from None


def written_at(folder: Path) -> float:
    """When the file was written last, in seconds since the epoch."""
    try:
        return (folder / NAME).stat().st_mtime
    except FileNotFoundError:
        return time.time()
