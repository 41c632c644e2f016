"""What the page's buttons do: look for shots and regions, make a preview or a film, read back an earlier ad.

All of it goes through `pvtt.generate`, so that the command repeats what the page has made, and the page what the
command has. One piece of work at a time: the model and the template stay in memory from one to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_write_bytes
from pvtt.generation.ad.job import generate
from pvtt.generation.ad.label import PRODUCER
from pvtt.generation.ad.record import AdRecord
from pvtt.generation.ad.settings import AdSettings
from pvtt.generation.ad.shared import Shared
from pvtt.generation.ad.template import Template
from pvtt.generation.ad.write import CONTAINERS
from pvtt.items.progress import Progress
from pvtt.media.arrays import Frame
from pvtt.models.origin import model_sha256
from pvtt.records.base import parse_record
from pvtt.studio.inputs import Inputs

PICTURE = 960  # pixels of a shown frame's longer side
JPEG_QUALITY = 90
MAX_STEM = 80  # characters of a template's name in those of its ads

Report = Callable[[str, int, int], None]  # a line, windows done, windows to make (0: not known yet)


@dataclass(frozen=True)
class AdRequest:
    """What is on the page when a button is pressed.

    Args:
        template: The film; None: none was dropped.
        photos: Of the new product.
        mask: A film or a picture, white where the old product is; None: it is looked for.
        settings: As chosen.
        label: A text on every frame; None: there is none.
    """

    template: Path | None
    photos: tuple[Path, ...]
    mask: Path | None
    settings: AdSettings
    label: str | None


@dataclass(frozen=True)
class ShotPictures:
    """Two frames of a shot, as files: the first, to give a place in, and the middle one, whose region is known."""

    first: Path
    middle: Path


@dataclass(frozen=True)
class Look:
    """What `pvtt generate --dry-run` finds, with pictures of each shot by its number."""

    record: AdRecord
    pictures: dict[int, ShotPictures]


@dataclass(frozen=True)
class Made:
    """An ad, or its preview.

    Args:
        record: As it is written.
        output: The film; of a preview there is only the sheet beside it.
    """

    record: AdRecord
    output: Path


@dataclass(frozen=True)
class ReadBack:
    """An earlier ad's inputs, as far as they are here, and its settings.

    Args:
        request: They.
        record: Of the ad.
        output: Its film; None where it is not here.
        missing: What is to be dropped again, a line each, and what else is not as it was.
    """

    request: AdRequest
    record: AdRecord
    output: Path | None
    missing: tuple[str, ...]


class Studio:
    """The work behind one page.

    Args:
        out: The folder of the ads.
        model: The model's folder.
        scratch: For pictures, as long as the page is there.
    """

    def __init__(self, out: Path, model: Path, scratch: Path) -> None:
        self.out, self.model = out, model
        self.inputs = Inputs(out)
        self._scratch = scratch
        self._shared = _Watched()
        self._one_at_a_time = threading.Lock()

    def look(self, request: AdRequest, report: Report) -> Look:
        """Find shots, products and regions. Raises as `pvtt.generate`."""
        with self._working(report):
            record = self._generate(request, None, report)
            template = self._shared.template(Path(record.template.path))
            return Look(record, self._pictures(template))

    def make(self, request: AdRequest, report: Report, *, preview: bool = False) -> Made:
        """Make a film, or a preview's sheet, under the next free name in the folder. Raises as `pvtt.generate`."""
        with self._working(report):
            film = self._film_of(request)
            output = self._free_name(film, preview)
            return Made(self._generate(request, output, report, preview), output)

    def stop(self) -> None:
        """End the work that is under way after its current window; `make` then raises `PvttError`."""
        self._shared.stopping.set()

    def earlier(self) -> list[str]:
        """Names of the records in the folder, the newest first."""
        found = []
        for path in self.out.glob("*.json"):
            with suppress(PvttError, OSError):
                _read(path)
                found.append((-path.stat().st_mtime, path.name))
        return [name for _, name in sorted(found)]

    def read_back(self, path: Path) -> ReadBack:
        """What an earlier ad was made of. Raises `PvttError` where the file is no record of one."""
        record = _read(path)
        template, mask = self.inputs.find(record.template), record.mask and self.inputs.find(record.mask)
        photos = [(photo, self.inputs.find(photo)) for photo in record.photos]
        missing = [
            f"drop {Path(file.path).name} again: it is not among this folder's inputs"
            for file, found in ((record.template, template), *photos, (record.mask, mask))
            if file is not None and found is None
        ]
        if record.label_font is not None:
            missing.append("its label has a font of its own: the page has none; `pvtt generate --from` repeats it")
        if record.producer != PRODUCER or record.signature is not None:
            missing.append("it has another producer, or is signed: the page does neither; `pvtt generate --from` does")
        if record.model.sha256 != model_sha256(self.model):
            missing.append(f"it was made with another model, {record.model.path}: start with --model to have the same")
        request = AdRequest(
            template, tuple(found for _, found in photos if found), mask or None, record.settings, record.visible_label
        )
        return ReadBack(request, record, self._output_of(path, record), tuple(missing))

    @contextmanager
    def _working(self, report: Report) -> Iterator[None]:
        with self._one_at_a_time:
            self._shared.stopping.clear()
            self._shared.report = report
            yield

    def _output_of(self, path: Path, record: AdRecord) -> Path | None:
        """The ad in the folder that a record, which may have been dropped as a copy, is of."""
        own = self.out / path.name
        if not own.is_file() or own.read_bytes() != path.read_bytes():
            return None
        films = (own.with_suffix(suffix) for suffix in CONTAINERS)
        return own.with_suffix(".mp4") if record.preview else next((film for film in films if film.is_file()), None)

    def _film_of(self, request: AdRequest) -> Path:
        if request.template is None:
            raise MissingInputError("no template is given", "drop the film whose product is replaced")
        return self.inputs.keep(request.template)

    def _generate(self, request: AdRequest, output: Path | None, report: Report, preview: bool = False) -> AdRecord:
        return generate(
            self._film_of(request),
            [self.inputs.keep(photo) for photo in request.photos],
            output,
            model=self.model,
            mask=None if request.mask is None else self.inputs.keep(request.mask),
            **request.settings.arguments,
            label=request.label,
            preview=preview,
            dry_run=output is None,
            say=lambda line: report(line, 0, 0),
            shared=self._shared,
        )

    def _free_name(self, film: Path, preview: bool) -> Path:
        suffix = film.suffix.lower() if film.suffix.lower() in CONTAINERS else ".mp4"
        taken = {path.name.split(".")[0].removesuffix("-preview") for path in self.out.glob("*")}
        stem = film.stem.replace(".", "-")[:MAX_STEM]
        number = next(number for number in range(1, len(taken) + 2) if f"{stem}-{number}" not in taken)
        return self.out / f"{stem}-{number}{'-preview' if preview else ''}{suffix}"

    def _pictures(self, template: Template) -> dict[int, ShotPictures]:
        """Drawn once for a template."""
        folder = self._scratch / template.sha256[:16]
        named = {
            span.number: ShotPictures(folder / f"{span.number}-first.jpg", folder / f"{span.number}-middle.jpg")
            for span in template.shots
        }
        if all(pictures.middle.is_file() for pictures in named.values()):
            return named
        for span, frames in template.frames_by_shot():
            pictures = named[span.number]
            for index, frame in enumerate(frames):
                if index == 0:
                    _write_picture(pictures.first, frame, template)
                if index == span.num_frames // 2:
                    _write_picture(pictures.middle, frame, template)
        return named


class _Watched(Shared):
    """Tells the page of the windows, and ends the work where the page says so."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = threading.Event()
        self.report: Report = lambda line, done, total: None

    @contextmanager
    def windows(self, count: int) -> Iterator[Progress]:
        """See `Shared.windows`."""
        with _Bar(count, self.report, self.stopping) as bar:
            bar.tell()
            yield bar


class _Bar(Progress):
    """The command's bar, that the page sees too."""

    def __init__(self, count: int, report: Report, stopping: threading.Event) -> None:
        super().__init__("generate", count, unit="windows")
        self._report, self._stopping = report, stopping

    def update(self, done: int, note: str = "") -> None:
        """See `Progress.update`."""
        super().update(done, note)
        self.tell()
        if self._stopping.is_set() and done < self.total:
            raise PvttError("stopped", "press the same button again to go on: finished windows are kept")

    def tell(self) -> None:
        """Say how far it is."""
        left = "" if self.eta_s is None else f", {self.eta_s:.0f} s left"
        self._report(f"{self.done} of {self.total} windows{left}", self.done, self.total)


def _read(path: Path) -> AdRecord:
    return parse_record(AdRecord, path.read_bytes(), path.name, "give the .json beside an ad of this version")


def _write_picture(path: Path, frame: Frame, template: Template) -> None:
    """A frame, (H, W, 3), with square pixels."""
    width, height = template.width * float(template.pixel_aspect), float(template.height)
    scale = min(1.0, PICTURE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done  # an image in memory is always encoded
    atomic_write_bytes(path, data.tobytes())
