"""Faults of the machine's storage, told from faults of what is stored, whatever library meets them.

A full, read-only, failing or missing disk is no fault of the item in work: it ends the stage with one `StorageError`.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pvtt.errors import StorageError

TEMPORARY_PREFIX = ".tmp-"  # of whatever is being written and has not its own name yet

_CONTINUES = "then run the same command again: it continues"
_FREE = f"free some space (`dvc gc -w` drops old versions), {_CONTINUES}"
_MOUNT = f"see `mount` and `dmesg` for why, mend or mount it again, {_CONTINUES}"
_LIMIT = f"raise the limit, for example with `ulimit -n 65536`, {_CONTINUES}"
_RIGHTS = f"give this user the right to write there, {_CONTINUES}"

# errno → (message, hint). What a library may also say of a damaged file stands here only with its plain meaning.
_FAULTS = {
    errno.ENOSPC: ("no space left on the disk while writing {place}", _FREE),
    errno.EDQUOT: ("the disk quota is used up while writing {place}", _FREE),
    errno.EROFS: ("the disk of {place} is read-only", _MOUNT),
    errno.EIO: ("input/output error of the disk of {place}", _MOUNT),
    errno.ESTALE: ("the network file system of {place} is gone (stale file handle)", _MOUNT),
    errno.ENOTCONN: ("the file system of {place} is gone (not connected)", _MOUNT),
    errno.ENODEV: ("the device of {place} is gone", _MOUNT),
    errno.ENXIO: ("the device of {place} is gone", _MOUNT),
    errno.EMFILE: ("too many files are open in this process, met at {place}", _LIMIT),
    errno.ENFILE: ("too many files are open on this machine, met at {place}", _LIMIT),
}
_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,
}
_WRITE_ONLY = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # never met by reading
_NO_RIGHT = ("no right to write {place}", _RIGHTS)
_NO_FOLDER = ("the folder of {place} is gone", f"make or mount it again, {_CONTINUES}")
_NOT_WRITTEN = ("the disk did not take all of {place}", f"see whether it is full or failing, {_CONTINUES}")

# What libraries say instead of raising an `OSError` with a number.
_OS_ERROR_TEXT = re.compile(
    r"\bos error (\d+)\b"  # safetensors, tokenizers: Rust
    r"|\[Errno (\d+)\]",  # shutil.copytree, Great Expectations: the text of an `OSError` within another
    re.IGNORECASE,
)
_STRERROR_TEXT = re.compile(r"file failed with strerror: (.+)")  # torch.save
_NOT_WRITTEN_TEXT = re.compile(
    r"unexpected pos \d+ vs \d+|PytorchStreamWriter failed|iostream error"  # torch.save
    r"|\d+ requested and \d+ written|problem writing element \d+ to file"  # numpy's tofile, which np.save uses
    r"|could not write to file|can't open file for writing",  # OpenCV
    re.IGNORECASE,
)


def storage_fault(error: BaseException, path: Path | None = None, *, reading: bool = False) -> StorageError | None:
    """The fault of the machine's storage behind an error; None where there is none and the error says its own cause.

    Causes and contexts are searched too, since libraries wrap the system's errors or lose their numbers.

    Args:
        error: The exception that a library raised.
        path: What was being written or read, for the message.
        reading: It was only read. No right to write a file, and its folder's absence, are faults of storage; no right
            to read one file, and its own absence, are not.
    """
    for link in _chain(error):
        if isinstance(link, StorageError):
            return link
    for link in _chain(error):
        fault = _fault_of(link, None if reading else path)
        if fault is not None:
            message, hint = fault
            return StorageError(message.format(place=_place(link, path)), hint)
    return None


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the machine's storage while `path` is written into a `StorageError` that names it."""
    try:
        yield
    except Exception as error:
        fault = storage_fault(error, path)
        if fault is None or fault is error:
            raise
        raise fault from error


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """A library's `OSError` while it only writes `path` as a plain one that names it.

    FFmpeg's "input/output error" means the disk where it writes, and a file that ends too early where it reads; so the
    two are told apart by who knows which it was.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def raise_storage_fault(error: BaseException, path: Path) -> None:
    """Raise the `StorageError` behind an error of reading `path`, if there is one: it is no fault of the file."""
    fault = storage_fault(error, path, reading=True)
    if fault is not None:
        raise fault from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it came of; also what `from None` hides from a person, as it is still the cause."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        link = pending.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        pending += [link.__context__, link.__cause__]


def _fault_of(error: BaseException, written: Path | None) -> tuple[str, str] | None:
    """The message's template and the hint, if this one error is of the storage."""
    number = _errno(error)
    if number is None:
        return _NOT_WRITTEN if _NOT_WRITTEN_TEXT.search(str(error)) else None
    if number in (errno.EACCES, errno.EPERM):
        return _NO_RIGHT if written is not None and _is_of(error, written) else None
    if number == errno.ENOENT:
        gone = written is not None and _is_of(error, written) and not written.parent.is_dir()
        return _NO_FOLDER if gone else None
    if number == errno.ENOTCONN and _filename(error) is None:
        return None  # of a network connection
    if number in (errno.ENXIO, errno.ENODEV) and _is_special(_filename(error)):
        return None  # a socket or a pipe where a file should be: an odd input
    if number == errno.EIO and type(error).__module__.startswith("av.") and _is_readable(_filename(error)):
        return None  # FFmpeg says so of a file that ends too early
    return _FAULTS.get(number)


def _errno(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, sqlite3.Error):
        return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    text = str(error)
    found = _OS_ERROR_TEXT.search(text)
    if found is not None:
        return int(found[1] or found[2])
    found = _STRERROR_TEXT.search(text)
    return None if found is None else next((number for number in _FAULTS if os.strerror(number) == found[1]), None)


def _filename(error: BaseException) -> Path | None:
    name = getattr(error, "filename", None)
    return Path(os.fsdecode(name)) if isinstance(name, str | bytes) and name else None


def _is_of(error: BaseException, path: Path) -> bool:
    """Whether the file that an error names is `path`, a temporary beside it, something below, or a folder above."""
    name = _filename(error)
    if name is None:
        return False
    name, path = Path(os.path.abspath(name)), Path(os.path.abspath(path))  # noqa: PTH100  resolve() asks the disk
    if name.is_relative_to(path) or path.is_relative_to(name):
        return True
    return name.is_relative_to(path.parent) and name.relative_to(path.parent).parts[0].startswith(TEMPORARY_PREFIX)


def _is_special(name: Path | None) -> bool:
    try:
        mode = 0 if name is None else name.stat().st_mode
    except OSError:
        return False
    return mode != 0 and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _is_readable(name: Path | None) -> bool:
    """Whether a file can be read to its end; an unknown one is taken to be."""
    if name is None:
        return True
    try:
        with name.open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


def _is_bare(name: Path) -> bool:
    """Whether an error names a file without its folder, as `shutil.rmtree` does, which goes by open directories."""
    return not name.is_absolute() and not os.path.lexists(name)


def _place(error: BaseException, path: Path | None) -> str:
    """What the message names: the file that the error names, or what was being written, never a temporary name."""
    name = _filename(error)
    if name is not None and path is not None and _is_bare(name):
        return str(path)
    of_another = name is not None and path is not None and _errno(error) not in _WRITE_ONLY and not _is_of(error, path)
    if path is not None and (not of_another or getattr(error, "filename2", None) is not None):
        return str(path)
    return "this machine" if name is None else str(name)
