"""What each library that writes makes of a fault of the disk, by itself."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from pvtt.crawl.drafts import PageRecord
from pvtt.crawl.state import CrawlState
from pvtt.errors import StorageError
from pvtt.files.append import append_line, read_lines
from pvtt.files.atomic import atomic_directory, atomic_path, scratch_directory
from pvtt.files.hashing import sha256_tree
from pvtt.files.storage import TEMPORARY_PREFIX
from pvtt.media.images import write_png
from pvtt.media.masks import write_masks
from pvtt.media.video import write_video
from tests.faults.injection import STORAGE_FAULT, Counts, Ended, Injector, Result, faults_of
from tests.faults.journal import Journal

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 255, (64, 96, 3), dtype=np.uint8)
FRAMES = RANDOM.integers(0, 255, (6, 64, 96, 3), dtype=np.uint8)
NEW_LINE = json.dumps({"score": 2, "why": "new" * 100})
OLD_LINES = f'{{"score": 1}}\n{NEW_LINE[:100]}'  # and a torn tail


@dataclass(frozen=True)
class Writer:
    """One way to write.

    Args:
        name: Of the file or folder.
        publish: Writes it; raises `StorageError` alone.
        read: What it holds; raises where it is broken.
        old: Puts there what was written before.
        names: What a message must name: the file, or the folder that it works in.
    """

    name: str
    publish: Callable[[Path], None]
    read: Callable[[Path], Any]
    old: Callable[[Path], object]
    names: Callable[[Path], Path] = Path.absolute


def _file(name: str, write: Callable[[Path], object], read: Callable[[Path], Any] = Path.read_bytes) -> Writer:
    def publish(path: Path) -> None:
        with atomic_path(path) as temporary:
            write(temporary)

    def read_either(path: Path) -> Any:
        return "old" if path.read_bytes() == b"old" else read(path)

    return Writer(name, publish, read_either, lambda path: path.write_text("old"))


def _folder(name: str, write: Callable[[Path], object]) -> Writer:
    def publish(path: Path) -> None:
        with atomic_directory(path) as temporary:
            write(temporary)

    def old(path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        (path / "old.txt").write_text("old")

    return Writer(name, publish, sha256_tree, old)


def _write_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["step", "loss"], *([n, n / 3] for n in range(2000))])


def _write_json(path: Path) -> None:
    with path.open("w") as file:
        json.dump(list(range(5000)), file)


def _write_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, FRAMES)


def _write_strided_array(path: Path) -> None:
    """An array that is not contiguous, which NumPy writes an element at a time."""
    with path.open("wb") as file:
        np.save(file, FRAMES[0, ::20, ::20, 0])


def _read_weights(path: Path) -> Any:
    return torch.load(path)["weights"].tolist()


def _write_videos(folder: Path) -> None:
    write_video(folder / "clip.mp4", FRAMES, fps=12)
    write_masks(folder / "mask.mkv", FRAMES[..., 0], fps=12)


def _write_by_scratch(path: Path) -> None:
    with atomic_path(path) as temporary, scratch_directory(path.parent) as scratch:
        np.savez(scratch / "window.npz", frames=FRAMES)
        shutil.copyfile(scratch / "window.npz", temporary)


def _keep_page(path: Path) -> None:
    state = CrawlState(path)
    state.begin("params", "code")
    state.keep("page", "/new", PageRecord(links=("/a",)), None, None)
    state.close()


def _read_pages(path: Path) -> Any:
    state = CrawlState(path)
    state.run = "old"
    found = [state.page(url) is not None for url in ("/old", "/new")]
    state.close()
    return found


def _old_pages(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    state = CrawlState(path)
    state.begin("params", "code")
    state.keep("page", "/old", PageRecord(), None, None)
    state.close()


WRITERS: dict[str, Writer] = {
    "text": _file("a.txt", lambda path: path.write_text("text" * 10_000)),
    "csv": _file("a.csv", _write_csv),
    "json": _file("a.json", _write_json),
    "shutil file": _file("a.py", lambda path: shutil.copyfile(__file__, path)),
    "shutil tree": _folder("tree", lambda folder: shutil.copytree(Path(__file__).parent, folder / "copy")),
    "PIL png": _file("a.png", lambda path: Image.fromarray(PICTURE).save(path, format="PNG")),
    "PIL jpeg": _file("a.jpg", lambda path: Image.fromarray(PICTURE).save(path, quality=95)),
    "cv2": _file("b.png", lambda path: write_png(path, PICTURE), lambda path: cv2.imread(str(path)).tolist()),
    "av": _folder("videos", _write_videos),
    "numpy": _file("a.npy", _write_array),
    "numpy strided": _file("a.npy", _write_strided_array),
    "scratch": Writer(
        "a.npz",
        _write_by_scratch,
        lambda path: "old" if path.read_bytes() == b"old" else np.load(path)["frames"].tolist(),
        lambda path: path.write_text("old"),
        lambda path: path.parent,
    ),
    "torch": _file("a.pt", lambda path: torch.save({"weights": torch.zeros(20_000)}, path), _read_weights),
    "safetensors": _file("a.safetensors", lambda path: save_file({"latents": torch.zeros(20_000)}, path)),
    "append": Writer(
        "a.jsonl", lambda path: append_line(path, NEW_LINE), read_lines, lambda path: path.write_text(OLD_LINES)
    ),
    "sqlite": Writer("state", _keep_page, _read_pages, _old_pages),
}


def run(name: str, injector: Injector, folder: Path, journal: Journal, *, quick: bool) -> Counts:
    """Fail a writer's Nth call, for every N.

    Args:
        name: In `WRITERS`.
        injector: Under the shim.
        folder: Where it writes.
        journal: Of what was tried before, and for what comes.
        quick: Errnos, once and for ever, take turns; else each call fails in all these ways.
    """
    writer = WRITERS[name]
    path = folder / writer.name

    def publish() -> None:
        try:
            writer.publish(path)
        except StorageError as error:
            print(error.message)
            sys.exit(STORAGE_FAULT)

    writer.old(path)
    old = writer.read(path)
    counts = Counts(name, "writes", injector.run(publish, folder).count)
    new = writer.read(path)
    faults = list(faults_of("writes", counts.num_calls, quick=quick))
    counts.num_faults = len(faults)
    for fault in faults:
        if str(fault) in journal.results:
            continue
        writer.old(path)
        ended = injector.run(publish, folder, fault)
        wrong = tuple(_wrong(ended, writer, path, old, new)) if ended.failed else ()
        journal.add(Result(str(fault), ended.code, ended.failed, wrong), counts.num_faults)
        for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    for result in journal.results.values():
        counts.add(result)
    return counts


def _wrong(ended: Ended, writer: Writer, path: Path, old: Any, new: Any) -> Iterator[str]:
    if ended.code not in (0, STORAGE_FAULT):
        yield f"exit code {ended.code}: {ended.said[-500:]}"
    elif ended.code == STORAGE_FAULT and str(writer.names(path)) not in ended.said:
        yield f"the message names no path: {ended.said}"
    try:
        found = writer.read(path)
    except Exception as error:
        yield f"it is broken: {error!r}"
        return
    if found != new and (ended.code == 0 or found != old):
        yield "it holds neither the old nor the new" if ended.code else "it does not hold the new"
