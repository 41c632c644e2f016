"""Lines are added whole or not at all, whatever was left at the file's end and whoever else adds lines."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from pathlib import Path
from unittest import mock

import pytest

from pvtt.errors import StorageError
from pvtt.files.append import append_line, read_lines

NUM_LINES = 60
FIRST, SECOND, THIRD = (json.dumps({"score": score, "why": "größer"}, ensure_ascii=False) for score in (1, 2, 3))


def encoded(*lines: str) -> list[bytes]:
    return [line.encode() for line in lines]


def test_lines_are_appended_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "ratings" / "a.jsonl"
    assert read_lines(path) == []
    for line in (FIRST, SECOND):
        append_line(path, line)
    assert path.read_text() == f"{FIRST}\n{SECOND}\n"
    assert read_lines(path) == encoded(FIRST, SECOND)


@pytest.mark.parametrize("torn", [SECOND.encode()[:size] for size in range(1, len(SECOND.encode()))] + [bytes(30)])
@pytest.mark.parametrize("before", [(), (FIRST,)])
def test_a_torn_tail_is_passed_over_and_dropped_by_the_next_append(
    tmp_path: Path, before: tuple[str, ...], torn: bytes
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in encoded(*before)) + torn)
    assert read_lines(path) == encoded(*before)
    append_line(path, THIRD)
    assert path.read_text() == "".join(f"{line}\n" for line in (*before, THIRD))


def test_a_complete_last_line_without_its_newline_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{FIRST}\n{SECOND}")
    assert read_lines(path) == encoded(FIRST, SECOND)
    append_line(path, THIRD)
    assert path.read_text() == f"{FIRST}\n{SECOND}\n{THIRD}\n"


class FailingDisk:
    """Every second write takes half of the line and fails; every second of these halves cannot be taken back either."""

    def __init__(self) -> None:
        self._num_writes = 0
        self._keeps_half = False
        self._write, self._truncate = os.write, os.ftruncate

    def write(self, descriptor: int, data: bytes) -> int:
        self._num_writes += 1
        if self._num_writes % 2:
            return self._write(descriptor, data)
        self._keeps_half = self._num_writes % 4 == 0
        self._write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def truncate(self, descriptor: int, size: int) -> None:
        if self._keeps_half:
            self._keeps_half = False
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._truncate(descriptor, size)


def append_many(path: Path, name: str) -> None:
    """A process's life: it adds lines by a failing disk, each until it is there."""
    disk = FailingDisk()
    with mock.patch("os.write", disk.write), mock.patch("os.ftruncate", disk.truncate):
        for number in range(NUM_LINES):
            line = json.dumps([name, number, "x" * 10 * number])
            while True:
                try:
                    append_line(path, line)
                except StorageError:
                    continue
                break


def test_processes_lose_no_line_and_cut_none_of_each_others_though_their_writes_fail(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    names = ("ann", "bob", "cleo")
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=append_many, args=(path, name)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = [json.loads(line) for line in read_lines(path)]
    assert len(found) == len(names) * NUM_LINES
    for name in names:
        assert [number for who, number, _ in found if who == name] == list(range(NUM_LINES))
