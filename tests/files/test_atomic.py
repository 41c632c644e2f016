"""No reader sees half a file, and a full disk is an error that says so."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pvtt.errors import StorageError
from pvtt.files.atomic import (
    atomic_directory,
    atomic_path,
    atomic_write_bytes,
    atomic_write_text,
    remove,
    scratch_directory,
    sweep_temporaries,
    sweep_temporaries_of,
)
from pvtt.media.video import write_video


class InterruptedWorkError(Exception):
    """Stands for whatever stops a writer."""


def interrupted_write(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise InterruptedWorkError


def interrupted_directory(path: Path) -> None:
    with atomic_directory(path) as temporary:
        (temporary / "half").touch()
        raise InterruptedWorkError


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic_write_text(path, "old")
    with pytest.raises(InterruptedWorkError):
        interrupted_write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_directory_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with atomic_directory(path) as temporary:
        (temporary / "a").write_text("old")
    with pytest.raises(InterruptedWorkError):
        interrupted_directory(path)
    assert [file.name for file in path.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_scratch_directory_is_gone_at_the_end_however_that_comes(tmp_path: Path) -> None:
    def interrupted_work() -> None:
        with scratch_directory(tmp_path / "new") as scratch:
            (scratch / "half").touch()
            raise InterruptedWorkError

    with scratch_directory(tmp_path / "new") as scratch:
        (scratch / "a").touch()
    with pytest.raises(InterruptedWorkError):
        interrupted_work()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_directory_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for name in ("a", "b"):
        with atomic_directory(path) as temporary:
            (temporary / "sub").mkdir()
            (temporary / "sub" / name).touch()
    assert [file.name for file in (path / "sub").iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_replaced_whole_where_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())  # a C library without renameat2
    test_a_directory_is_replaced_whole(tmp_path)


def test_files_that_are_links_to_what_is_on_the_disk_are_not_synced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cached").write_text("synced when it was made")
    synced: list[str] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)  # noqa: PTH115  no path, a descriptor
        sync(descriptor)

    monkeypatch.setattr("os.fsync", record)
    with atomic_directory(tmp_path / "out") as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "linked").hardlink_to(tmp_path / "cached")
        (temporary / "written").write_text("new")
    assert [name for name in synced if not name.startswith(".tmp-")] == ["sub", "written", tmp_path.name]
    assert len(synced) == 4  # and the directory itself


def test_what_is_removed_is_gone_with_all_that_it_held(tmp_path: Path) -> None:
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "sub" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    for name in ("folder", "link", "missing"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_written_file_has_the_usual_mode(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_what_killed_runs_left_is_swept_and_what_live_ones_use_is_not(tmp_path: Path) -> None:
    for name in (".tmp-old", ".tmp-live", "entry"):
        (tmp_path / "ab" / name).mkdir(parents=True)
        (tmp_path / "ab" / name / "file").touch()
    for name in (".tmp-old", "entry"):
        os.utime(tmp_path / "ab" / name, (0, 0))
    sweep_temporaries(tmp_path)
    assert sorted(path.name for path in (tmp_path / "ab").iterdir()) == [".tmp-live", "entry"]


def test_a_stage_sweeps_what_its_own_killed_runs_left(tmp_path: Path) -> None:
    for name in (".tmp-clip-old", ".tmp-segment-old"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    sweep_temporaries_of(tmp_path / "clip")
    assert [path.name for path in tmp_path.iterdir()] == [".tmp-segment-old"]


def test_a_full_disk_is_named_and_nothing_half_written_remains(full_disk: Path) -> None:
    with pytest.raises(StorageError, match=r"no space left .*big\.bin") as caught:
        atomic_write_bytes(full_disk / "big.bin", bytes(1 << 20))
    assert "then run the same command again" in str(caught.value.hint)
    assert list(full_disk.iterdir()) == []


def write_noise_video(path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (8, 240, 320, 3), dtype=np.uint8)
    with atomic_path(path) as temporary:
        write_video(temporary, frames, fps=12)


def test_a_disk_that_fills_under_the_encoder_is_named_too(full_disk: Path) -> None:
    with pytest.raises(StorageError, match=r"clip\.mp4"):
        write_noise_video(full_disk / "clip.mp4")
    assert list(full_disk.iterdir()) == []


def test_the_full_device_is_a_full_disk(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_directory(tmp_path / "out") as directory:
            (directory / "a").symlink_to("/dev/full")
            (directory / "a").write_bytes(bytes(100))

    with pytest.raises(StorageError):
        write()
    assert list(tmp_path.iterdir()) == []
