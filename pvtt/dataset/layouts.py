"""Public datasets as a folder of products, which `pvtt crawl --source folder` takes.

    davis        JPEGImages/<resolution>/<sequence>/00000.jpg, the largest resolution; 24 frames a second
    youtube-vos  [train|valid|test/]JPEGImages/<video>/00000.jpg, meta.json; the names count frames of 30 a second
    dreambooth   [dataset/]<subject>/*.jpg, [dataset/]prompts_and_classes.txt; photos without films

Frames become a film at their own size and rate. Masks are not taken over: `segment` makes those of all clips, in one
way, so that figures of several sources compare. Each sequence or subject ends as a product or as a reject.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.dataset.pictures import is_own, read_picture
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_directory
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Frame
from pvtt.media.video import write_video
from pvtt.records.base import write_jsonl
from pvtt.records.catalog import PRODUCT_FILE, REJECTS_FILE, Reject

STAGE = "import"
CRF = 12  # as the clips' own
DAVIS_FPS = 24.0
YOUTUBE_VOS_FPS = 30
_NUMBERED = re.compile(r"^(\d+)\.(?:jpe?g|png)$", re.IGNORECASE)
_PICTURE = re.compile(r"\.(?:jpe?g|png|webp)$", re.IGNORECASE)
_ODD = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True)
class Found:
    """A sequence or a subject: a folder of frames, or of photos."""

    folder: Path
    category: str | None
    rate: Callable[[Sequence[int]], float] | None  # frames a second, from the frames' numbers; None: they are photos


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
            name = _ODD.sub("-", item.rsplit("/", 1)[-1]).strip("-")[:64]
            try:
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
            num_films += found.rate is not None
        if not names:
            first = f", first {rejects[0].item}: {rejects[0].message}" if rejects else ""
            raise PvttError(f"{source}: nothing of it can be used{first}", f"is it a dataset of the layout {layout}?")
        write_jsonl(out / REJECTS_FILE, rejects)
    return Converted(len(names), num_films, tuple(rejects))


def _write(found: Found, source: Path, product: Path) -> None:
    """One product's directory. Raises `ItemRejectedError`."""
    product.mkdir()
    details = {"title": _title(found.folder), "category": found.category or "uncategorised"}
    (product / PRODUCT_FILE).write_text(json.dumps(details, ensure_ascii=False), encoding="utf-8")
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


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _davis(source: Path) -> Iterator[Found]:
    sizes = {"Full-Resolution": 2, "1080p": 1}
    resolutions = _folders(source / "JPEGImages") if (source / "JPEGImages").is_dir() else []
    if not resolutions:
        raise MissingInputError(
            f"{source} holds no JPEGImages/480p or the like", "name the folder that holds JPEGImages"
        )
    best = max(resolutions, key=lambda path: sizes.get(path.name, 0))
    yield from (Found(folder, None, lambda numbers: DAVIS_FPS) for folder in _folders(best))


def _youtube_vos(source: Path) -> Iterator[Found]:
    parts = [
        path for path in (source, source / "train", source / "valid", source / "test") if (path / "JPEGImages").is_dir()
    ]
    if not parts:
        raise MissingInputError(f"{source} holds no JPEGImages", "name the folder that holds train/ or JPEGImages/")
    for part in parts:
        categories = _categories(part / "meta.json")
        for folder in _folders(part / "JPEGImages"):
            yield Found(folder, categories.get(folder.name), _youtube_vos_rate)


def _youtube_vos_rate(numbers: Sequence[int]) -> float:
    """Every fifth frame is there, in some copies every one; one that is missing changes little."""
    step = round(float(np.median(np.diff(numbers))))
    return float(Fraction(YOUTUBE_VOS_FPS, max(1, step)))


def _categories(file: Path) -> dict[str, str]:
    """What a video shows, where all its objects are of one kind."""
    if not file.is_file():
        return {}
    try:
        videos: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["videos"]
        kinds = {name: {str(one["category"]) for one in video["objects"].values()} for name, video in videos.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PvttError(f"{file} is not the meta.json of YouTube-VOS", "download it again, or remove it") from None
    return {name: kind.pop() for name, kind in kinds.items() if len(kind) == 1}


def _dreambooth(source: Path) -> Iterator[Found]:
    root = source / "dataset" if (source / "dataset").is_dir() else source
    if not root.is_dir() or not _folders(root):
        raise MissingInputError(f"{source} holds no folder a subject", "name the folder that holds dataset/")
    classes: dict[str, str] = {}
    listing = root / "prompts_and_classes.txt"
    if listing.is_file():
        rows = re.findall(r"^([\w-]+),([\w -]+)$", listing.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        classes = {subject: kind for subject, kind in rows if subject != "subject_name"}
    yield from (Found(folder, classes.get(folder.name), None) for folder in _folders(root))


LAYOUTS: dict[str, Callable[[Path], Iterator[Found]]] = {
    "davis": _davis,
    "youtube-vos": _youtube_vos,
    "dreambooth": _dreambooth,
}
