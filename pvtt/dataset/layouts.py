"""Public datasets as a folder of products, which `pvtt crawl --source folder` takes: one writer for all layouts.

Frames become a film at their own size and rate. Masks are not taken over: `segment` makes those of all clips, in one
way, so that figures of several sources compare. Each sequence, film or subject ends as a product or as a reject.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from pvtt.dataset.pictures import is_own, read_picture
from pvtt.dataset.public import LAYOUTS, Found, Span
from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_directory
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Frame
from pvtt.media.video import VideoError, iter_frames, write_video
from pvtt.records.base import write_jsonl
from pvtt.records.catalog import PRODUCT_FILE, REJECTS_FILE, Reject

STAGE = "import"
CRF = 12  # as the clips' own
_NUMBERED = re.compile(r"^(\d+)\.(?:jpe?g|png)$", re.IGNORECASE)
_PICTURE = re.compile(r"\.(?:jpe?g|png|webp)$", re.IGNORECASE)
_ODD = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True)
class Converted:
    """How many products there are now, of how many with a film, and what was turned away."""

    num_products: int
    num_films: int
    rejects: tuple[Reject, ...]


def convert(layout: str, source: Path, target: Path) -> Converted:
    """Write the products of a public dataset into `target`, as a whole or not at all.

    Args:
        layout: A name in `LAYOUTS`.
        source: The dataset's folder.
        target: A new or empty folder: one directory a product, and `rejects.jsonl`.

    Raises:
        MissingInputError: `source` has not that layout.
        PvttError: `target` is not empty, or nothing could be used.
    """
    if target.exists() and any(target.iterdir()):
        raise PvttError(f"{target} is not empty", "name a new folder")
    if target.resolve().is_relative_to(source.resolve()):
        raise PvttError(f"{target} lies in {source}", "name a folder outside of it")
    rejects: list[Reject] = []
    names: set[str] = set()
    num_films = 0
    with atomic_directory(target) as out:
        for found in LAYOUTS[layout](source):
            item = os.fsencode(found.folder.relative_to(source)).decode("utf-8", "backslashreplace")
            name = _ODD.sub("-", found.name or item.rsplit("/", 1)[-1]).strip("-")[:64]
            try:
                if found.fault is not None:
                    raise ItemRejectedError("bad_row", found.fault)
                if not name or name.lower() in names:
                    raise ItemRejectedError("bad_name", "its name has no letter, or another has it already")
                if not is_own(found.folder, source):
                    raise ItemRejectedError("forbidden_path", "it leads out of the dataset's folder")
                _write(found, source, out / name)
            except ItemRejectedError as error:
                shutil.rmtree(out / name, ignore_errors=True)
                rejects.append(Reject(stage=STAGE, item=item, reason=error.reason, message=error.message))
                continue
            names.add(name.lower())
            num_films += found.rate is not None or bool(found.spans)
        if not names:
            first = f", first {rejects[0].item}: {rejects[0].message}" if rejects else ""
            raise PvttError(f"{source}: nothing of it can be used{first}", f"is it a dataset of the layout {layout}?")
        write_jsonl(out / REJECTS_FILE, rejects)
    return Converted(len(names), num_films, tuple(rejects))


def _write(found: Found, source: Path, product: Path) -> None:
    """One product's directory. Raises `ItemRejectedError`."""
    product.mkdir()
    details = {"title": _title(Path(found.name or found.folder)), "category": found.category or "uncategorised"}
    details |= {"description": found.description} if found.description else {}
    (product / PRODUCT_FILE).write_text(json.dumps(details, ensure_ascii=False), encoding="utf-8")
    for number, span in enumerate(found.spans, start=1):
        _cut(found.folder, span, product / f"film-{number:02d}.mp4")
    if found.spans:
        return
    if found.rate is None:
        photos = sorted(path for path in found.folder.iterdir() if _PICTURE.search(path.name))
        for number, path in enumerate(photos):
            _read(path, source)
            shutil.copyfile(path, product / f"photo-{number:02d}{path.suffix.lower()}")
        if not photos:
            raise ItemRejectedError("no_photo", "it holds no photo")
        return
    numbered = {int(match[1]): path for path in found.folder.iterdir() if (match := _NUMBERED.match(path.name))}
    numbers = sorted(numbered)
    if len(numbers) < 2:
        raise ItemRejectedError("no_frames", f"it holds {len(numbers)} numbered frames")
    write_video(product / "film.mp4", _frames([numbered[one] for one in numbers], source), found.rate(numbers), CRF)


def _cut(film: Path, span: Span, target: Path) -> None:
    """Some frames of a film as a film."""
    wanted = (_cropped(frame, span) for frame in islice(iter_frames(film), span.start, span.end))
    try:
        count = write_video(target, wanted, span.fps)
    except VideoError as error:
        raise ItemRejectedError(error.reason, error.message) from None
    if count < span.end - span.start:
        raise ItemRejectedError(
            "frame_count", f"frames {span.start} to {span.end} are listed, {count} of them are there"
        )


def _cropped(frame: Frame, span: Span) -> Frame:
    """A span's part of a frame, without a last row or column where it is odd: H.264 halves the colours."""
    if span.crop is not None:
        left, right, top, bottom = span.crop
        if right > frame.shape[1] or bottom > frame.shape[0]:
            raise ItemRejectedError("frame_size", f"a frame is smaller than the crop to {right} by {bottom}")
        frame = frame[top:bottom, left:right]
    return np.ascontiguousarray(frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2])


def _frames(paths: Sequence[Path], source: Path) -> Iterator[Frame]:
    """The frames of one size, the last row or column cut off where it is odd: H.264 halves the colours."""
    shape: tuple[int, ...] | None = None
    for path in paths:
        frame = _read(path, source)
        shape = shape or frame.shape
        if frame.shape != shape:
            raise ItemRejectedError("frame_size", f"{path.name} has another size than the first")
        yield np.ascontiguousarray(frame[: shape[0] // 2 * 2, : shape[1] // 2 * 2])


def _read(path: Path, source: Path) -> Frame:
    """A picture, (H, W, 3) RGB."""
    if not is_own(path, source) or not path.is_file():
        raise ItemRejectedError("forbidden_path", f"{path.name!a} is no file of the dataset")
    return read_picture(path, "RGB")


def _title(folder: Path) -> str:
    name = os.fsencode(folder.name).decode("utf-8", "replace")
    return re.sub(r"[-_]+", " ", name).strip() or name
