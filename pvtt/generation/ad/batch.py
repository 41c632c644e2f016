"""`generate_batch`: every product in every template, one ad after another.

    films × products ──► made by an earlier run, of the same inputs, settings and code, and whole? ──► yes: kept
                                                                        └──► no: `generate`; a fault is the row's own
    after each ad: batch.json · at the end: batch.png

The templates come one after another, each with all products, so that a film is decoded and its shots are found once.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pvtt.errors import MissingInputError, PvttError, first_line
from pvtt.files.atomic import atomic_path, atomic_write_text
from pvtt.files.hashing import sha256_bytes, sha256_file
from pvtt.files.storage import raise_storage_fault, storage_fault
from pvtt.generation.ad.batch_inputs import BatchProduct, Film, read_films, read_products
from pvtt.generation.ad.batch_record import BatchRecord, BatchRow, Status, read_minutes
from pvtt.generation.ad.batch_sheet import Cell, draw_grid, read_cell
from pvtt.generation.ad.compare import COMPARISON
from pvtt.generation.ad.job import Place, check_label, default_model, generate
from pvtt.generation.ad.label import PRODUCER
from pvtt.generation.ad.plan import input_file, versions
from pvtt.generation.ad.record import AdRecord, InputFile
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.settings import AdSettings, chosen_settings, read_model_format
from pvtt.generation.ad.shared import Shared
from pvtt.generation.ad.signing import read_signing
from pvtt.generation.ad.write import CONTAINERS
from pvtt.items.progress import Progress
from pvtt.media.images import write_png
from pvtt.media.video import MissingCodecError, VideoError
from pvtt.models.origin import model_sha256

RECORD, SHEET = "batch.json", "batch.png"


def generate_batch(
    templates: Place,
    products: Place,
    output: Place | None = None,
    *,
    model: Place | None = None,
    prompt: str = "",
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    text_guidance: float | None = None,
    strength: float | None = None,
    frames: int | None = None,
    shots: Sequence[int] | None = None,
    aspect: str | None = None,
    producer: str = PRODUCER,
    label: str | None = None,
    label_font: Place | None = None,
    c2pa_cert: Place | None = None,
    c2pa_key: Place | None = None,
    c2pa_alg: str | None = None,
    compare: bool = True,
    preview: bool = False,
    dry_run: bool = False,
    say: Callable[[str], None] | None = None,
) -> BatchRecord:
    """Make an ad of every product in every template.

        record = generate_batch("templates", "products", "ads", seed=3)

    The ad of the product in `products/ring/` in `templates/studio.mp4` is `ads/studio/ring.mp4`, with all that
    `generate` writes beside it. `ads/batch.json` and `ads/batch.png` show all. What an earlier run has made of the same
    inputs, settings and code is kept. An ad that cannot be made has a row with the reason, and the others are made.

    Args:
        templates: A folder of films.
        products: A folder with a folder a product: one to five pictures, and a `prompt.txt` or none.
        output: The folder of the ads; None only with `dry_run`.
        prompt: Of a product without a `prompt.txt`.
        model, seed, steps, guidance, text_guidance, strength, frames, shots, aspect, producer, label, label_font,
            c2pa_cert, c2pa_key, c2pa_alg, compare, preview, dry_run: As in `generate`, of each ad.
        say: Is told in lines what is being done.

    Returns:
        What came out, a row an ad, as it is written.

    Raises:
        MissingInputError: A folder, or the model, is not there or empty.
        PvttError: A setting is out of range, or the output cannot be written.
        StorageError: The machine's storage does not take the output or the cache.
    """
    options: dict[str, Any] = {
        "seed": seed,
        "steps": steps,
        "guidance": guidance,
        "text_guidance": text_guidance,
        "strength": strength,
        "frames": frames,
        "shots": None if shots is None else tuple(shots),
        "aspect": aspect,
    }
    named = {"product_guidance" if name == "guidance" else name: value for name, value in options.items()}
    settings = chosen_settings(prompt=prompt, **named)
    font = None if label_font is None else Path(label_font)
    check_label(producer, label, font)
    signing = read_signing(
        None if c2pa_cert is None else Path(c2pa_cert), None if c2pa_key is None else Path(c2pa_key), c2pa_alg, None
    )
    options |= {"c2pa_cert": c2pa_cert, "c2pa_key": c2pa_key, "c2pa_alg": c2pa_alg}
    options |= {"producer": producer, "label": label, "label_font": font, "compare": compare}
    folder = Path(model) if model is not None else default_model()
    read_model_format(folder, settings)
    films, found = read_films(Path(templates)), read_products(Path(products))
    target = None if output is None else Path(output)
    if target is None and not dry_run:
        raise PvttError("no output is given", "give -o the name of the folder of the new films")
    if target is not None:
        _check_output(target, (Path(templates), Path(products)))
    ads = [_Ad(film, product, settings, target) for film in films for product in found]
    signed_with = None if signing is None or preview else sha256_bytes(signing.certificates)
    batch = _Batch(ads, folder, options, signed_with, target, preview, dry_run, say or (lambda line: None))
    if target is not None:
        batch.keep_finished()
    batch.make()
    return batch.record


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    if output.suffix.lower() in CONTAINERS or output.is_file():
        raise PvttError(f"{output} is no folder", "give -o the name of the folder of the new films")
    above = next(folder for folder in output.absolute().parents if folder.exists())
    if not above.is_dir():
        raise PvttError(f"{above} is no folder, so {output} cannot be written", "give -o another place")
    for folder in inputs:
        if output.resolve().is_relative_to(folder.resolve()):
            raise PvttError(f"the ads would be written into {folder}, among the inputs", "give -o another folder")


class _Ad:
    """One product in one template: what goes in, and the row that tells what came out."""

    def __init__(self, film: Film, product: BatchProduct, settings: AdSettings, output: Path | None) -> None:
        self.film, self.product = film, product
        self.prompt = settings.prompt if product.prompt is None else product.prompt
        self.settings = settings.model_copy(update={"prompt": self.prompt})
        self.path = None if output is None else output / film.name / f"{product.name}.mp4"
        self.row = BatchRow(template=film.name, product=product.name, status="waiting", warnings=product.warnings)
        self.record: AdRecord | None = None

    def has(self, record: AdRecord, status: Status, minutes: float | None) -> None:
        """Take a record as what came out."""
        self.record, self.row = record, self.row.with_ad(record, status, minutes)

    def fail(self, error: Exception) -> None:
        """Take an error as what came out."""
        reason, message = _why(error)
        self.row = self.row.model_copy(update={"status": "failed", "reason": reason, "message": message})


@dataclass
class _Batch:
    """All ads of one call."""

    ads: list[_Ad]
    model: Path
    options: dict[str, Any]
    signed_with: str | None
    output: Path | None
    preview: bool
    dry_run: bool
    say: Callable[[str], None]

    @property
    def record(self) -> BatchRecord:
        """As far as it is."""
        return BatchRecord(
            templates=tuple(dict.fromkeys(ad.film.name for ad in self.ads)),
            products=tuple(dict.fromkeys(ad.product.name for ad in self.ads)),
            preview=self.preview,
            rows=tuple(ad.row for ad in self.ads),
        )

    def keep_finished(self) -> None:
        """Find the ads that an earlier run made of the same."""
        assert self.output is not None
        minutes = read_minutes(self.output / RECORD)
        same = {
            "model": InputFile(path=str(self.model.resolve()), sha256=model_sha256(self.model)),
            "mask": None,
            "preview": self.preview,
            "versions": versions(),
            "signed_with": self.signed_with,
            "producer": self.options["producer"],
            "visible_label": self.options["label"],
            "label_font": None if self.options["label_font"] is None else input_file(self.options["label_font"]),
        }
        input_of = cache(input_file)  # a film goes into many ads
        for ad in self.ads:
            if ad.path is None or ad.product.fault is not None or (earlier := _written(ad.path)) is None:
                continue
            try:
                fresh = same | {
                    "template": input_of(ad.film.path),
                    "photos": tuple(input_of(path) for path in ad.product.photos),
                    "settings": ad.settings,
                }
                if _equals(earlier, fresh) and _is_whole(ad.path, earlier, self.options["compare"]):
                    ad.has(earlier, "kept", minutes.get((ad.film.name, ad.product.name)))
            except OSError as error:  # of an input: whoever makes the ad meets it too, and says so
                raise_storage_fault(error, ad.path)

    def make(self) -> None:
        """Make what is not there, and write what came out."""
        waiting = [ad for ad in self.ads if ad.row.status == "waiting"]
        if len(waiting) < len(self.ads):
            self.say(f"{len(self.ads) - len(waiting)} of {len(self.ads)} ads are there already")
        self._write_record()
        with ExitStack() as stack:
            together = _Together(stack)
            looked_at: set[Path] = set()
            for place, ad in enumerate(waiting):
                title = f"ad {self.ads.index(ad) + 1} of {len(self.ads)}"
                self.say(f"{title}: {ad.product.name} in {ad.film.name}")
                together.begin(title, [one.film.path for one in waiting[place:] if one.product.fault is None])
                self._make(ad, together, None if ad.film.path in looked_at else self.say)
                if ad.record is not None:
                    looked_at.add(ad.film.path)
                else:
                    self.say(f"failed: {ad.row.reason}: {ad.row.message}")
                self._write_record()
            together.begin("", [])
        self._write_sheet()

    def _make(self, ad: _Ad, together: _Together, say: Callable[[str], None] | None) -> None:
        begin = time.monotonic()
        try:
            if ad.product.fault is not None:
                raise ad.product.fault
            record = generate(
                ad.film.path,
                ad.product.photos,
                None if self.dry_run else ad.path,
                model=self.model,
                prompt=ad.prompt,
                **self.options,
                preview=self.preview,
                dry_run=self.dry_run,
                say=say,
                shared=together,
            )
        except Exception as error:  # one bad product or template never ends a batch
            fault = storage_fault(error)
            if fault is not None:  # not this ad's: the next would meet it too
                raise fault from error
            ad.fail(error)
            if ad.path is not None:
                with suppress(OSError):  # where nothing of this template was made
                    ad.path.parent.rmdir()
        else:
            minutes = None if self.dry_run else round((time.monotonic() - begin) / 60, 2)
            ad.has(record, "planned" if self.dry_run else "made", minutes)

    def _write_record(self) -> None:
        if self.output is not None and not self.dry_run:
            atomic_write_text(self.output / RECORD, self.record.to_json(indent=2) + "\n")

    def _write_sheet(self) -> None:
        if self.output is None or self.dry_run:
            return
        cells: dict[tuple[str, str], Cell] = {}
        for ad in self.ads:
            cell: Cell = f"failed: {ad.row.reason}"
            if ad.record is not None and ad.path is not None:
                cell = read_cell(ad.path.with_suffix(".png"), ad.record)
            cells[ad.film.name, ad.product.name] = cell
        record = self.record
        with atomic_path(self.output / SHEET) as temporary:
            write_png(temporary, draw_grid(record.templates, record.products, cells))


def _written(path: Path) -> AdRecord | None:
    """The record beside an ad; None where there is none that this version reads."""
    beside = path.with_suffix(".json")
    try:
        return AdRecord.from_json(beside.read_bytes())
    except (OSError, ValidationError) as error:
        raise_storage_fault(error, beside)
        return None


def _equals(record: AdRecord, fields: Mapping[str, Any]) -> bool:
    return all(getattr(record, name) == value for name, value in fields.items())


def _is_whole(path: Path, record: AdRecord, compare: bool) -> bool:
    if not path.with_suffix(".png").is_file():
        return False
    if compare and not record.preview and not path.with_suffix(COMPARISON).is_file():
        return False
    return record.preview or (path.is_file() and sha256_file(path) == record.output_sha256)


def _why(error: Exception) -> tuple[str, str]:
    """An error as a code and as a line."""
    message = first_line(error)
    if isinstance(error, AdError | VideoError):
        return error.reason, message
    if isinstance(error, MissingInputError):
        return "missing", message
    if isinstance(error, PvttError):
        return "no_codec" if isinstance(error, MissingCodecError) else "error", message
    where = traceback.extract_tb(error.__traceback__)[-1]
    return "error", f"{message} ({type(error).__name__} at {Path(where.filename).name}:{where.lineno})"


class _Bar(Progress):
    """A bar whose note stays, whoever advances it."""

    title = ""

    def advance(self, count: int = 1, note: str = "") -> None:
        """See `Progress.advance`."""
        super().advance(count, note or self.title)


class _Together(Shared):
    """One bar over the windows of all ads. How many those of a film are is known when the film's first ad is planned;
    until then they are taken to be as many as those of the others."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack
        self._bar: _Bar | None = None
        self._counts: dict[Path, int] = {}
        self._title = ""
        self._films: list[Path] = []

    def begin(self, title: str, films: list[Path]) -> None:
        """The next ad is that of `films[0]`, if it is generated; the others wait."""
        self._title, self._films = title, films
        self._show(films)

    @contextmanager
    def windows(self, count: int) -> Iterator[Progress]:
        """See `Shared.windows`."""
        film, *later = self._films
        self._counts[film] = count
        if self._bar is None:
            self._bar = self._stack.enter_context(_Bar("generate", count, unit="windows"))
        self._show([film, *later])
        yield self._bar

    def _show(self, films: list[Path]) -> None:
        if self._bar is None:
            return
        mean = round(sum(self._counts.values()) / len(self._counts))
        self._bar.total = self._bar.done + sum(self._counts.get(film, mean) for film in films)
        self._bar.title = self._title
        self._bar.update(self._bar.done, self._title)
