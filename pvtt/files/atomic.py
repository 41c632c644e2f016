"""Atomic writes: a temporary name in the same directory, fsync, rename. No reader sees half a file."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pvtt.files.storage import TEMPORARY_PREFIX, storage_errors

_AT_FDCWD = -100  # Linux: paths are relative to the working directory
_RENAME_EXCHANGE = 2


def sweep_temporaries(directory: Path, older_than_s: float = 24 * 3600) -> None:
    """Delete what killed runs left in `directory` and its folders; what is younger may be of a run that is alive."""
    for pattern in (f"{TEMPORARY_PREFIX}*", f"*/{TEMPORARY_PREFIX}*"):
        _sweep(directory, pattern, older_than_s)


def sweep_temporaries_of(path: Path, older_than_s: float = 24 * 3600) -> None:
    """Delete what killed runs left of `atomic_directory(path)`."""
    _sweep(path.parent, f"{_directory_prefix(path)}*", older_than_s)


def _sweep(directory: Path, pattern: str, older_than_s: float) -> None:
    limit = time.time() - older_than_s
    for path in directory.glob(pattern):
        with suppress(OSError):  # gone meanwhile, or not to be deleted: whoever writes next meets the fault itself
            if path.stat().st_mtime < limit:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _directory_prefix(path: Path) -> str:
    return f"{TEMPORARY_PREFIX}{path.name[:64]}-"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` with the same suffix; renamed onto it when the block ends without an error.

    Raises:
        StorageError: The machine's storage failed; `path` is what it was.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes 0600
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            with suppress(OSError):
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
    """A temporary directory beside `path`, renamed onto it at the end; an existing `path` is replaced.

    What the block wrote is synced to the disk first. Files that are hard links are not: they were synced where they
    were made.

    Raises:
        StorageError: The machine's storage failed; `path` is what it was, or wholly the new one.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_directory_prefix(path), dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())  # mkdtemp makes 0700
            _sync_tree(temporary)
            _put(temporary, path)
            _sync(path.parent)
        finally:
            _remove(temporary)  # unfinished, or the old one after the exchange


@contextmanager
def scratch_directory(parent: Path | None = None) -> Iterator[Path]:
    """A directory for what is needed until the block ends. What then cannot be removed is left to a later sweep.

    Args:
        parent: Where; None: where the system keeps temporary files.

    Raises:
        StorageError: The machine's storage failed while the block wrote there.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=place))
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file or a directory, at once for whoever looks: a directory is renamed out of the way first.

    Raises:
        StorageError: It is still there, whole.
    """
    with storage_errors(path):
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        if not path.name.startswith(TEMPORARY_PREFIX):
            aside = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=path.parent))
            path = path.replace(aside)  # onto an empty directory
        shutil.rmtree(path, ignore_errors=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(directory: Path) -> None:
    """Sync the files that were written into a directory, then each of its directories once, the innermost first."""
    for root, _, names in os.walk(directory, topdown=False):
        for name in names:
            file = Path(root) / name
            if file.lstat().st_nlink == 1 and not file.is_symlink():
                _sync(file)
        _sync(Path(root))


def _put(new: Path, path: Path) -> None:
    """Rename a directory onto `path`, whether or not one is there, also one that another process has just put there."""
    try:
        new.replace(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        _exchange(new, path)


def _exchange(new: Path, old: Path) -> None:
    """Swap two directories' names. `old` is missing at no moment where the file system can do that: Linux, no NFS."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        names = os.fsencode(new), os.fsencode(old)
        if renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
            return
    aside = Path(tempfile.mkdtemp(prefix=_directory_prefix(old), dir=old.parent))
    try:
        old.replace(aside / old.name)
        try:
            new.replace(old)
        except OSError:
            (aside / old.name).replace(old)
            raise
        (aside / old.name).replace(new)
    finally:
        with suppress(OSError):
            aside.rmdir()  # not empty if the old one could not be put back: it is kept


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
