"""Atomic writes: a temporary name in the same directory, fsync, rename. No reader sees half a file."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pvtt.files.storage import TEMPORARY_PREFIX, storage_errors


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_temporaries(directory: Path, older_than_s: float = 24 * 3600) -> None:
    """Delete what killed runs left in the folders of `directory`; what is younger may be of a run that is alive."""
    limit = time.time() - older_than_s
    for path in directory.glob(f"*/{TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` with the same suffix; renamed onto it when the block ends without an error."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp makes 0600
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _fsync_directory(path.parent)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically. Raises `StorageError`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically. Raises `StorageError`."""
    atomic_write_bytes(path, text.encode("utf-8"))


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """A temporary directory beside `path`, renamed onto it at the end; an existing `path` is replaced."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=path.parent))
        try:
            yield temporary
            for root, _, names in os.walk(temporary):
                for name in names:
                    descriptor = os.open(Path(root) / name, os.O_RDONLY)
                    try:
                        os.fsync(descriptor)
                    finally:
                        os.close(descriptor)
            temporary.chmod(0o755)
            if path.exists():
                stale = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=path.parent))
                path.replace(stale / path.name)
                temporary.replace(path)
                shutil.rmtree(stale)
            else:
                temporary.replace(path)
            _fsync_directory(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
