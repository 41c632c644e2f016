"""Finished results on disk, by the hash of what they were made from.

    cache/<stage>/ab/ab12…/    result.json: its key, what was found out, and each file's size and hash
                               the files

An entry appears by a rename, so a kill at any moment leaves a whole one or none. One that was damaged later - cut,
emptied, a file missing or exchanged - is as good as none: it is made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pvtt.files.atomic import atomic_directory, sweep_temporaries
from pvtt.files.hashing import sha256_file, sha256_json

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Entry:
    """A whole entry: its directory, and the JSON value that was kept with its files."""

    directory: Path
    result: Any


@dataclass
class NewEntry:
    """An entry in the making: write files into `directory`, and set `result` to a JSON value."""

    directory: Path
    result: Any = field(default=None)


class ItemCache:
    """The entries of one stage.

    Args:
        folder: Where they lie; several processes and machines may share it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> Entry | None:
        """The entry of a key; None where there is none, or where it is not what was written.

        A file whose size or time differs from the record is read and hashed; the others are only looked at.
        """
        directory = self._directory(key)
        try:
            record = json.loads((directory / RESULT_FILE).read_bytes())
            content, files = record["content"], record["content"]["files"]
            whole = (
                content["key"] == key
                and record["sha256"] == sha256_json(content)
                and all(_is_unchanged(directory / name, **file) for name, file in files.items())
            )
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None
        return Entry(directory, content["result"]) if whole else None

    @contextmanager
    def write(self, key: str) -> Iterator[NewEntry]:
        """Make an entry, in place of any that is there. If the block raises, nothing remains of it.

        Raises:
            StorageError: The disk does not take it.
        """
        directory = self._directory(key)
        with atomic_directory(directory) as temporary:
            entry = NewEntry(temporary)
            yield entry
            files = {}
            for path in sorted(path for path in temporary.rglob("*") if path.is_file()):
                path.chmod(0o444)  # a stage's outs may be hard links to these
                status = path.stat()
                files[path.relative_to(temporary).as_posix()] = {
                    "num_bytes": status.st_size,
                    "changed_ns": status.st_mtime_ns,
                    "sha256": sha256_file(path),
                }
            content = {"key": key, "result": entry.result, "files": files}
            record = {"content": content, "sha256": sha256_json(content)}
            result = temporary / RESULT_FILE
            result.write_text(json.dumps(record, sort_keys=True), encoding="utf-8")
            result.chmod(0o444)

    def sweep(self) -> None:
        """Delete what runs that were killed long ago left behind."""
        sweep_temporaries(self._folder)

    def _directory(self, key: str) -> Path:
        return self._folder / key[:2] / key


def _is_unchanged(path: Path, num_bytes: int, changed_ns: int, sha256: str) -> bool:
    status = path.stat()
    if status.st_size != num_bytes:
        return False
    return status.st_mtime_ns == changed_ns or sha256_file(path) == sha256
