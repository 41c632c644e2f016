"""Faults of the machine are told from faults of a file, whatever library met them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pvtt.errors import StorageError
from pvtt.files.storage import storage_errors, storage_fault


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "no space left on the disk while writing {path}"),
        (errno.EDQUOT, "the disk quota is used up while writing {path}"),
        (errno.EROFS, "the disk of {path} is read-only"),
        (errno.EIO, "input/output error of the disk of {path}"),
        (errno.ESTALE, "the network file system of {path} is gone (stale file handle)"),
        (errno.EMFILE, "too many files are open in this process, met at {path}"),
    ],
)
def test_each_fault_of_a_disk_is_named_with_its_place(tmp_path: Path, number: int, says: str) -> None:
    path = tmp_path / "clip.mp4"
    fault = storage_fault(OSError(number, os.strerror(number)), path)
    assert fault is not None
    assert fault.message == says.format(path=path)
    assert str(fault.hint).endswith("then run the same command again: it continues")


def raised(message: str, *causes: BaseException) -> BaseException:
    """A `ValueError` that came of errors, one of the other, without a trace for a person."""
    try:
        if not causes:
            raise ValueError(message)
        try:
            raise causes[0]
        except type(causes[0]):
            raise ValueError(message) from None
    except ValueError as error:
        return error


def test_a_fault_behind_another_error_is_found(tmp_path: Path) -> None:
    assert storage_fault(raised("it cannot be read", OSError(errno.EIO, "EIO"))) is not None
    assert storage_fault(raised("it cannot be read")) is None


def test_what_a_file_itself_is_at_fault_for_is_no_fault_of_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    for error in (
        ValueError("cannot identify image file"),
        OSError("image file is truncated"),
        FileNotFoundError(errno.ENOENT, "No such file", str(file)),
        PermissionError(errno.EACCES, "Permission denied", str(file)),
        OSError(errno.ENAMETOOLONG, "File name too long", str(file)),
        IsADirectoryError(errno.EISDIR, "Is a directory", str(file)),
    ):
        assert storage_fault(error) is None
        assert storage_fault(error, tmp_path / "out" / "entry") is None


def test_a_socket_among_the_inputs_is_no_lost_device(tmp_path: Path) -> None:
    fifo = tmp_path / "photo.jpg"
    os.mkfifo(fifo)
    assert storage_fault(OSError(errno.ENXIO, "No such device or address", str(fifo))) is None
    assert storage_fault(OSError(errno.ENXIO, "No such device or address", str(tmp_path / "other"))) is not None


def test_no_right_to_write_counts_for_what_is_being_written(tmp_path: Path) -> None:
    out = tmp_path / "outs" / "clip"
    denied = PermissionError(errno.EACCES, "Permission denied", str(out.parent / ".tmp-x" / "a.mp4"))
    fault = storage_fault(denied, out)
    assert fault is not None
    assert fault.message == f"no right to write {out}"
    assert storage_fault(PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "data" / "a")), out) is None


def test_a_folder_that_vanished_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mounted" / "a.txt"
    with pytest.raises(StorageError, match=r"the folder of .*mounted/a\.txt is gone"), storage_errors(path):
        path.write_text("a")


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no number"), storage_errors(tmp_path / "a"):
        raise ValueError("no number")


def test_a_file_named_without_its_folder_is_named_by_what_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "videos").mkdir(parents=True)
    error = OSError(errno.EIO, os.strerror(errno.EIO), "clip.mp4")  # as `shutil.rmtree` says it
    fault = storage_fault(error, out)
    assert fault is not None
    assert fault.message == f"input/output error of the disk of {out}"
