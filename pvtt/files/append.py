"""Files that only grow, a line of JSON at a time, by several processes at once. No reader sees half a line.

A disk that fills in the middle of a line and does not let go of the half, or a power cut, leaves a torn tail: what
follows the last newline and is not complete JSON. Readers pass over it, and the next append drops it. A last line that
is complete counts without its newline too, as an editor may have left it.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path

from pvtt.files.storage import storage_errors


def append_line(path: Path, line: str) -> None:
    """Append a line to a file, whole or not at all; it is on the disk when this returns.

    The file is locked meanwhile, so threads and processes may share it.

    Args:
        path: The file; made at the first line.
        line: A JSON object on one line.

    Raises:
        StorageError: The machine's storage failed; `read_lines` finds the lines that were there, or, if the disk took
            all of this one and does not let go of it, this one too.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # until the close
            held = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            whole = _without_torn_tail(held)
            if len(whole) < len(held):
                os.ftruncate(descriptor, len(whole))
            newline = "\n" if whole and not whole.endswith(b"\n") else ""
            try:
                _write(descriptor, f"{newline}{line}\n".encode())
            except OSError:
                with suppress(OSError):  # else it is a torn tail
                    os.ftruncate(descriptor, len(whole))
                raise
        finally:
            os.close(descriptor)


def read_lines(path: Path) -> list[bytes]:
    """The lines of a file that `append_line` adds to, without a torn tail; empty where there is no file yet."""
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        return []
    return _without_torn_tail(held).splitlines()


def _write(descriptor: int, data: bytes) -> None:
    while data:  # a disk that is nearly full takes what fits, then says so
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _without_torn_tail(held: bytes) -> bytes:
    end = held.rfind(b"\n") + 1
    try:
        json.loads(held[end:].decode())
    except ValueError:  # also of what ends within a character, or was never written and is zeros
        return held[:end]
    return held
