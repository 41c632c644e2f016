"""Films that were made elsewhere, by a service or by another project's model: a folder of them, matched by name.

    kling/  BOTT003_9001.mp4     a film a sample, under the sample's name: as large as its window or a whole multiple,
            JEWE006_9005.mp4     with as many frames, as long
            sources.csv          name,source,licence,date: where each comes from; the name * is for all others

Comparisons are by pairs, so a part is measured only where the films of all its samples are there and fit.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from pydantic import Field, ValidationError

from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.contenders.contender import Route, Setting, Task
from pvtt.files.hashing import sha256_tree
from pvtt.media.arrays import Video
from pvtt.media.video import MissingCodecError, VideoError, probe, read_video
from pvtt.params.evaluate import RouteName
from pvtt.records.base import Record, first_fault
from pvtt.records.evaluation import FilmSource
from pvtt.records.parts import PARTS, Part

if TYPE_CHECKING:
    from pvtt.evaluation.samples import Chosen
    from pvtt.params.file import Params

SHEETS = ("sources.csv", "sources.json")
FILM_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")
ALL_OTHERS = "*"
NAMED = 3  # faulty films that a reason names; the list of faults has them all
HINT = "docs/routes.md says what the folder must hold"


class SheetRow(Record):
    """A line of a folder's sheet: where the film of a sample comes from."""

    name: str = Field(min_length=1)  # the sample's, or `*`
    source: str = Field(min_length=1)  # for example the service and its version
    licence: str = Field(min_length=1)
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")  # when it was made


@dataclass(frozen=True)
class AskedFilm:
    """What the film of a sample must be.

    Args:
        part: The sample's.
        key: Its name.
        num_frames: Exactly.
        width: In pixels; a whole multiple of width and height is reduced.
        height: The same.
        fps: Frames a second; the film's length is the frames' number over this.
    """

    part: Part
    key: str
    num_frames: int
    width: int
    height: int
    fps: float


def asked_films(chosen: Sequence[Chosen], params: Params) -> list[AskedFilm]:
    """What the samples of an evaluation ask of films that were made elsewhere."""
    encode = params.encode
    return [
        AskedFilm(
            part=one.part,
            key=one.entry.key,
            num_frames=encode.num_frames,
            width=encode.width,
            height=encode.height,
            fps=one.entry.fps / encode.frame_stride,
        )
        for one in chosen
        if one.part in params.evaluate.parts
    ]


class External(Route):
    """The films of a folder. Its name is the folder's.

    Args:
        folder: With the films and their sheet.
        asked: What all samples ask for.

    Raises:
        MissingInputError: The folder or its sheet is not there.
        PvttError: The sheet is none, or the folder has the name of another route.
    """

    must_be_beaten = False

    def __init__(self, folder: Path, asked: Sequence[AskedFilm]) -> None:
        self.name = name_of(folder)
        if self.name in get_args(RouteName):
            raise PvttError(f"evaluate.routes.external: {folder} has the name of a route", "give it another name")
        if not folder.is_dir():
            raise MissingInputError(f"evaluate.routes.external: {folder} does not exist", HINT)
        rows, films = read_sheet(folder), _films(folder)
        self.sha256 = sha256_tree(folder)
        self.says = f"films that were made elsewhere: {'; '.join(sorted({row.source for row in rows.values()}))}"
        wrong = {one.key: fault for one in asked if (fault := _fault(films.get(one.key), one, rows)) is not None}
        self.unmeasured = {
            part: reason
            for part in PARTS
            if (reason := _reason([one.key for one in asked if one.part == part], films, wrong, folder.name))
        }
        # Of a part that has no film at all the reason says enough.
        begun = {one.part for one in asked if one.key in films}
        nameless = [film.name for key, film in films.items() if key not in {one.key for one in asked}]
        self.faults = (
            *(f"{one.key}: {wrong[one.key]}" for one in asked if one.key in wrong and one.part in begun),
            *(f"{name}: no sample has this name" for name in nameless),
        )
        self._films = {one.key: films[one.key] for one in asked if one.part not in self.unmeasured}
        counts = Counter(_row(rows, key) for key in self._films)
        self.sources = tuple(
            FilmSource(source=row.source, licence=row.licence, date=row.date, num_films=count)
            for row, count in counts.items()
            if row is not None
        )

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [_read(film, task) if (film := self._films.get(task.key)) else None for task in tasks]


def name_of(folder: Path) -> str:
    """A contender's name, from its folder's: small letters, digits and underlines."""
    return re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_")


def read_sheet(folder: Path) -> dict[str, SheetRow]:
    """The sheet of a folder, by the samples' names.

    Raises:
        MissingInputError: There is none.
        PvttError: It is none; says which line is wrong.
    """
    path = next((folder / name for name in SHEETS if (folder / name).is_file()), None)
    if path is None:
        raise MissingInputError(f"evaluate.routes.external: {folder} has no {' or '.join(SHEETS)}", HINT)
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(io.StringIO(text)))
    except ValueError as error:  # of the JSON, or no UTF-8
        raise PvttError(f"evaluate.routes.external: {path} cannot be read: {error}", HINT) from None
    if not isinstance(rows, list) or not rows:
        raise PvttError(f"evaluate.routes.external: {path} has no rows", HINT)
    found: dict[str, SheetRow] = {}
    for number, values in enumerate(rows, 1):
        try:
            row = SheetRow.model_validate(values)
        except ValidationError as error:
            raise PvttError(f"evaluate.routes.external: {path}, row {number}: {first_fault(error)}", HINT) from None
        if row.name in found:
            raise PvttError(f"evaluate.routes.external: {path}, row {number}: {row.name} is there twice", HINT)
        found[row.name] = row
    return found


def _films(folder: Path) -> dict[str, Path]:
    """The films of a folder, by the names of samples."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in FILM_SUFFIXES and path.is_file())
    return {path.stem: path for path in found}


def _row(rows: Mapping[str, SheetRow], key: str) -> SheetRow | None:
    return rows.get(key, rows.get(ALL_OTHERS))


def _fault(film: Path | None, asked: AskedFilm, rows: Mapping[str, SheetRow]) -> str | None:
    """What is wrong with a sample's film; None: nothing."""
    if film is None:
        return "there is no film"
    try:
        info, num_frames = probe(film), len(read_video(film))
    except (VideoError, MissingCodecError) as error:
        return error.message
    if _factor(info.width, info.height, asked) is None:
        return f"it is {info.width}×{info.height}, not {asked.width}×{asked.height} or a whole multiple"
    if num_frames != asked.num_frames:
        return f"it has {num_frames} frames, not {asked.num_frames}"
    seconds, wanted = num_frames / float(info.rate or 1), asked.num_frames / asked.fps
    if abs(seconds - wanted) > 0.5 / asked.fps:
        return f"it lasts {seconds:.3g} s, not {wanted:.3g} s"
    return None if _row(rows, asked.key) else "the sheet does not say where it comes from"


def _factor(width: int, height: int, asked: AskedFilm) -> int | None:
    """By which whole number a film is larger than asked for; None: by none."""
    factor = width // asked.width
    return factor if factor > 0 and (width, height) == (factor * asked.width, factor * asked.height) else None


def _reason(keys: Sequence[str], films: Mapping[str, Path], wrong: Mapping[str, str], folder: str) -> str | None:
    """Why a part of these samples is not measured; None: it is, or has no samples."""
    faulty = [key for key in keys if key in wrong]
    if not faulty:
        return None
    if not any(key in films for key in keys):
        return f"none of its {len(keys)} films is in {folder}"
    named = "; ".join(f"{key}: {wrong[key]}" for key in faulty[:NAMED])
    more = f"; and {len(faulty) - NAMED} more" if len(faulty) > NAMED else ""
    return f"{len(faulty)} of its {len(keys)} films are missing or do not fit ({named}{more})"


def _read(film: Path, task: Task) -> Video:
    """A film at the size of its task, (F, H, W, 3)."""
    import cv2

    frames, (height, width) = read_video(film), task.hole.shape[1:]
    if frames.shape[1:3] == (height, width):
        return frames
    reduced = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames]
    return np.stack(reduced).astype(np.uint8)
