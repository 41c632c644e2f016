"""The item cache: whole entries or none, whatever happened to their files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pvtt.items.cache import RESULT_FILE, Entry, ItemCache

KEY, OTHER = "a" * 64, "b" * 64


def fill(cache: ItemCache, key: str, text: str) -> Path:
    with cache.write(key) as entry:
        (entry.directory / "sub").mkdir()
        (entry.directory / "sub" / "frame.bin").write_text(text)
        entry.result = {"record": {"value": text}}
    return found(cache, key).directory


def found(cache: ItemCache, key: str) -> Entry:
    entry = cache.read(key)
    assert entry is not None
    return entry


def writable(path: Path) -> Path:
    path.chmod(0o644)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> ItemCache:
    return ItemCache(tmp_path / "cache")


def test_what_was_written_is_read(cache: ItemCache) -> None:
    directory = fill(cache, KEY, "one")

    assert found(cache, KEY).result == {"record": {"value": "one"}}
    assert (directory / "sub" / "frame.bin").read_text() == "one"
    assert cache.read(OTHER) is None


def test_nothing_remains_of_an_entry_whose_making_failed(cache: ItemCache, tmp_path: Path) -> None:
    def fail() -> None:
        with cache.write(KEY) as entry:
            (entry.directory / "frame.bin").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert cache.read(KEY) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def cut_file(directory: Path) -> None:
    os.truncate(writable(directory / "sub" / "frame.bin"), 1)


def empty_file(directory: Path) -> None:
    os.truncate(writable(directory / "sub" / "frame.bin"), 0)


def remove_file(directory: Path) -> None:
    (directory / "sub" / "frame.bin").unlink()


def change_file(directory: Path) -> None:
    writable(directory / "sub" / "frame.bin").write_text("two")  # as long as before


def cut_result(directory: Path) -> None:
    os.truncate(writable(directory / RESULT_FILE), 20)


def empty_result(directory: Path) -> None:
    os.truncate(writable(directory / RESULT_FILE), 0)


def remove_result(directory: Path) -> None:
    (directory / RESULT_FILE).unlink()


def change_result(directory: Path) -> None:
    path = writable(directory / RESULT_FILE)
    path.write_text(path.read_text().replace('"one"', '"two"'))


def result_of_another_kind(directory: Path) -> None:
    writable(directory / RESULT_FILE).write_text('["a list"]')


def remove_all(directory: Path) -> None:
    shutil.rmtree(directory)


DAMAGE = [
    cut_file,
    empty_file,
    remove_file,
    change_file,
    cut_result,
    empty_result,
    remove_result,
    change_result,
    result_of_another_kind,
    remove_all,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_none_and_is_made_again(cache: ItemCache, damage: Callable[[Path], None]) -> None:
    damage(fill(cache, KEY, "one"))

    assert cache.read(KEY) is None
    fill(cache, KEY, "one")
    assert found(cache, KEY).result == {"record": {"value": "one"}}


def exchange(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


@pytest.mark.parametrize("name", ["sub/frame.bin", RESULT_FILE, "."])
def test_entries_whose_files_were_exchanged_are_none(cache: ItemCache, name: str) -> None:
    one, other = fill(cache, KEY, "one"), fill(cache, OTHER, "two")  # of equal size

    exchange((one / name).resolve(), (other / name).resolve())

    assert cache.read(KEY) is None
    assert cache.read(OTHER) is None


def test_a_copied_cache_is_whole_though_its_files_have_other_times(cache: ItemCache, tmp_path: Path) -> None:
    fill(cache, KEY, "one")
    shutil.copytree(tmp_path / "cache", tmp_path / "copy", copy_function=shutil.copyfile)

    assert found(ItemCache(tmp_path / "copy"), KEY).result == {"record": {"value": "one"}}
