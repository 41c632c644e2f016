"""What public datasets hold, by their layouts.

davis        JPEGImages/<resolution>/<sequence>/00000.jpg, the largest resolution; 24 frames a second
youtube-vos  [train|valid|test/]JPEGImages/<video>/00000.jpg, meta.json; the names count frames of 30 a second
dreambooth   [dataset/]<subject>/*.jpg, [dataset/]prompts_and_classes.txt; photos without films
vpdata       *.csv with path, start_frame, end_frame, fps; videovo/raw_video and pexels/pexels/raw_video beside them
opens2v      [Jsons/]<part>.json of clips with metadata and annotation; their films below [Videos/][<part>/]
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.errors import MissingInputError, PvttError

DAVIS_FPS = 24.0
YOUTUBE_VOS_FPS = 30
MAX_FPS = 240
VPDATA_COLUMNS = {"path", "start_frame", "end_frame", "fps"}
_FILM = re.compile(r"^[A-Za-z0-9_.-]+\.mp4$")


@dataclass(frozen=True)
class Span:
    """Frames of a film, from `start` to before `end`, at `fps` a second."""

    start: int
    end: int
    fps: float
    crop: tuple[int, int, int, int] | None = None  # left, right, top, bottom in pixels; None: whole frames


@dataclass(frozen=True)
class Found:
    """A sequence or a subject: a folder of frames, or of photos; or a film, of which spans are listed."""

    folder: Path  # or the film
    category: str | None
    rate: Callable[[Sequence[int]], float] | None  # frames a second, from the frames' numbers; None: they are photos
    spans: tuple[Span, ...] = ()
    description: str = ""
    fault: str | None = None  # of its row in a list
    name: str | None = None  # None: the folder's


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


def _vpdata(source: Path) -> Iterator[Found]:
    """A product a film, with all that the lists say of it: several lists may name the same span."""
    lists = [file for file in sorted(source.glob("*.csv")) if VPDATA_COLUMNS.issubset(_columns(file))]
    if not lists:
        columns = ", ".join(sorted(VPDATA_COLUMNS))
        raise MissingInputError(
            f"{source} holds no .csv with {columns}", "name the folder that holds the lists of VPData"
        )
    rows: dict[str, list[dict[str, str]]] = {}
    for file in lists:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
            for row in csv.DictReader(text):
                rows.setdefault(row["path"] or f"{file.name} without a path", []).append(row)
    for name, of_film in sorted(rows.items()):
        base = name.removesuffix(".mp4").removesuffix(".0")
        film = source / "pexels/pexels/raw_video" / base[:9] / name
        if name.endswith(".0.mp4"):
            film = source / "videovo/raw_video" / base[:-3] / name
        try:
            spans = {Span(int(row["start_frame"]), int(row["end_frame"]), float(row["fps"])) for row in of_film}
        except (ValueError, TypeError):
            spans = set()
        sound = bool(spans) and all(0 <= span.start < span.end and 0 < span.fps <= MAX_FPS for span in spans)
        fault = None if sound else "its frames or its rate are no numbers, or none that a film can have"
        if not (_FILM.match(name) and film.is_file()):
            fault, film = "there is no such film below raw_video", source / name.lstrip("/")
        said = next((text for row in of_film for text in (row.get("caption"), row.get("prompt")) if text), "")
        yield Found(film, None, None, tuple(sorted(spans, key=lambda span: span.start)), said, fault)


def _columns(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        return next(csv.reader(text), [])


def _opens2v(source: Path) -> Iterator[Found]:
    """A product a film, a span a clip of it: without what comes before and after, and without a watermark's border."""
    folder = source / "Jsons" if (source / "Jsons").is_dir() else source
    films: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = {}
    for file in sorted(folder.glob("*.json")):
        for key, clip in _clips(file):
            films.setdefault((file.stem, str(clip["metadata"].get("path", ""))), []).append((key, clip))
    if not films:
        raise MissingInputError(
            f"{source} holds no .json with clips of OpenS2V", "name the folder that holds Jsons/ and Videos/"
        )
    for (part, path), clips in sorted(films.items()):
        places = [source / "Videos" / part, source / part, source / "Videos", source]
        own = bool(path) and not Path(path).is_absolute() and ".." not in Path(path).parts
        film = next((place / path for place in places if own and (place / path).is_file()), None)
        spans = [span for _, clip in clips if (span := _span(clip["metadata"])) is not None]
        fault = None if len(spans) == len(clips) else "its frames, its crop or its rate are none that a film can have"
        if film is None:
            fault = "there is no such film below Videos"
        kinds = {kind for _, clip in clips for kind in _kinds(clip)}
        said = next((str(text) for _, clip in clips if (text := clip["metadata"].get("face_cap_qwen"))), "")
        yield Found(
            film or source / path.lstrip("/"),
            kinds.pop() if len(kinds) == 1 else None,
            None,
            tuple(sorted(spans, key=lambda span: (span.start, span.end))),
            said,
            fault,
            re.split(r"_segment|_part", clips[0][0])[0],
        )


def _clips(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """A file's clips by their keys; none where it is of something else, as that of pairs of films is."""
    try:
        clips: Any = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise PvttError(f"{file} is no JSON", "download it again, or remove it") from None
    if not isinstance(clips, dict):
        return []
    return [
        (key, clip) for key, clip in clips.items() if isinstance(clip, dict) and isinstance(clip.get("metadata"), dict)
    ]


def _span(metadata: dict[str, Any]) -> Span | None:
    try:
        start, end = (int(number) for number in metadata["face_cut"])
        left, right, top, bottom = (int(number) for number in metadata["crop"])
        span = Span(start, end, float(metadata["fps"]), (left, right, top, bottom))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    fits = 0 <= start < end and 0 < span.fps <= MAX_FPS and 0 <= left < right - 1 and 0 <= top < bottom - 1
    return span if fits else None


def _kinds(clip: dict[str, Any]) -> set[str]:
    """What a clip's masks show."""
    annotation = clip.get("annotation")
    named = annotation.get("mask_map") if isinstance(annotation, dict) else None
    objects = named.values() if isinstance(named, dict) else ()
    return {str(one["class_name"]) for one in objects if isinstance(one, dict) and one.get("class_name")}


LAYOUTS: dict[str, Callable[[Path], Iterator[Found]]] = {
    "davis": _davis,
    "youtube-vos": _youtube_vos,
    "dreambooth": _dreambooth,
    "vpdata": _vpdata,
    "opens2v": _opens2v,
}
