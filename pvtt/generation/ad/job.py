"""`generate`: a template and photos → a new ad, its contact sheet and its record."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np

from pvtt import __version__
from pvtt.errors import MissingInputError, PvttError, StorageError
from pvtt.files.atomic import atomic_path, atomic_write_text
from pvtt.files.code import code_of, running_root
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.files.storage import TEMPORARY_PREFIX, storage_errors
from pvtt.files.workspace import find_workspace
from pvtt.generation.ad.compare import COMPARISON, write_comparison
from pvtt.generation.ad.label import LABEL, PRODUCER, SOURCE_TYPE, Label, check_producer
from pvtt.generation.ad.product import Choice, Survey, choose, survey
from pvtt.generation.ad.record import AdRecord, AdShot, InputFile, read_record
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.region import ShotPlan, plan_shot
from pvtt.generation.ad.settings import PREVIEW_STEPS, AdSettings, ModelFormat, chosen_settings, read_model_format
from pvtt.generation.ad.shared import Shared
from pvtt.generation.ad.sheet import SheetRow, draw_sheet, reduced_row
from pvtt.generation.ad.stitch import box_of, match_colours
from pvtt.generation.ad.template import ShotSpan, Template
from pvtt.generation.ad.visible import VisibleLabel, check_text, draw_label
from pvtt.generation.ad.windows import WindowMaker
from pvtt.generation.ad.write import CONTAINERS, AdWriter, greatest_shift
from pvtt.generation.inputs import read_photo
from pvtt.items.cache import ItemCache
from pvtt.items.progress import Progress
from pvtt.media.arrays import Frame, FrameRegion, Rgba
from pvtt.media.images import write_png
from pvtt.models.origin import model_sha256

DEFAULT_MODEL = Path("models") / "pvtt-tiny"
NO_CHANGE = 1.0  # of 255, mean in the region: with less, the output is the template, compressed once more
LEFT_S = 24 * 3600  # after which nobody is still writing an unfinished film
LIBRARIES = ("av", "diffusers", "numpy", "opencv-python-headless", "pillow", "torch", "transformers")

Place = str | Path


def generate(
    template: Place,
    photos: Sequence[Place],
    output: Place | None = None,
    *,
    model: Place | None = None,
    mask: Place | None = None,
    prompt: str = "",
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    text_guidance: float | None = None,
    strength: float | None = None,
    frames: int | None = None,
    shots: Sequence[int] | None = None,
    box: Sequence[int] | None = None,
    point: Sequence[int] | None = None,
    producer: str = PRODUCER,
    label: str | None = None,
    label_font: Place | None = None,
    compare: bool = True,
    preview: bool = False,
    dry_run: bool = False,
    say: Callable[[str], None] | None = None,
    shared: Shared | None = None,
) -> AdRecord:
    """Make a new ad: the template with the photos' product in the old one's place.

        record = pvtt.generate("ad.mp4", ["front.jpg", "side.jpg"], "new.mp4", prompt="a gold ring")

    Beside `new.mp4` it writes `new.png`, the contact sheet, `new.json`, the record, and `new.compare.mp4`, template and
    film side by side. What a killed run has made is in the item cache; the same call goes on from there.

    Args:
        template: The film.
        photos: Of the new product.
        output: The new film, .mp4, .mov, .m4v or .mkv; None only with `dry_run`.
        model: A folder that a training or `save_pretrained` wrote; None takes the champion that the project ships.
        mask: A film or a picture, white where the old product is; None looks for it.
        prompt: What the new product is, in words; empty is legal.
        seed: Of the noise.
        steps, guidance, text_guidance, strength: Of the sampler; None takes what the model's folder says.
        frames: Of a window, 4n+1; None takes what the model's folder says.
        shots: Numbers, from 1, of the shots to generate in; None takes those of the product that is shown longest.
        box: x, y, width, height, in the template's pixels, around the old product in the first frame of each of
            `shots`, or of the first shot where none are given.
        point: x, y, in the template's pixels, of any place on the old product in the same frames: instead of `box`.
        producer: Who offers the generation, for the film's machine-readable label: ASCII without spaces, " and \\.
        label: A text for a corner of every frame, which says that the film is generated; None leaves them as they are.
        label_font: The file of the font that it is drawn with; None takes Pillow's own, which has no Chinese.
        compare: Write the film side by side with the template too.
        preview: Generate one window a shot in two steps, and write the contact sheet alone.
        dry_run: Find shots, products and regions, and write nothing.
        say: Is told in lines what is being done, and the choice of shots before the work begins.
        shared: What the ads of a batch need not load twice.

    Returns:
        The record, as it is written.

    Raises:
        MissingInputError: A file or the model is not there.
        VideoError: The template is no whole film.
        PvttError: A photo shows nothing, no product is found, the region is too large, a setting is out of range, or
            the output would be the template.
        StorageError: The machine's storage does not take the output or the cache.
    """
    _check_place(box, point, mask)
    if shots is None and (box is not None or point is not None):
        shots = (1,)
    settings = chosen_settings(
        prompt=prompt,
        seed=seed,
        steps=steps,
        product_guidance=guidance,
        text_guidance=text_guidance,
        strength=strength,
        frames=frames,
        shots=None if shots is None else tuple(shots),
        box=None if box is None else tuple(box),
        point=None if point is None else tuple(point),
    )
    font = None if label_font is None else Path(label_font)
    check_label(producer, label, font)
    paths = [Path(photo) for photo in photos]
    target = None if output is None else Path(output)
    if target is None and not dry_run:
        raise PvttError("no output is given", "give -o the name of the new film")
    if target is not None:
        _check_output(target, [Path(template), *paths, *([font] if font else [])])
    cutouts = _read_photos(paths)
    shared = Shared() if shared is None else shared
    folder = Path(model) if model is not None else default_model()
    if say is not None:
        say(f"looking for shots and products in {template}")
    found = _prepare(Path(template), cutouts, folder, None if mask is None else Path(mask), settings, shared)
    record = found.record(paths, preview)
    record = record.model_copy(
        update={
            "producer": producer,
            "visible_label": label,
            "label_font": None if font is None else input_file(font),
        }
    ).with_produce_id()
    visible = None if label is None else _draw_label(label, font, found.template, record)
    if say is not None:
        say(found.choice.says)
    if dry_run or target is None:
        return record
    return _Run(found, record, cutouts, preview, shared, visible, compare).write(target)


def repeat(record: Place, output: Place, say: Callable[[str], None] | None = None, *, compare: bool = True) -> AdRecord:
    """Make the ad of an earlier run's record again: on one machine, the same bytes.

    Raises:
        MissingInputError, PvttError: As `read_record`; or the model is another one; otherwise as `generate`.
    """
    earlier = read_record(Path(record))
    folder = Path(earlier.model.path)
    if folder.is_dir() and model_sha256(folder) != earlier.model.sha256:
        raise PvttError(f"{folder} holds another model than {record} was made with", "put back the model of then")
    settings = earlier.settings
    return generate(
        earlier.template.path,
        [photo.path for photo in earlier.photos],
        output,
        model=folder,
        mask=None if earlier.mask is None else earlier.mask.path,
        prompt=settings.prompt,
        seed=settings.seed,
        steps=settings.steps,
        guidance=settings.product_guidance,
        text_guidance=settings.text_guidance,
        strength=settings.strength,
        frames=settings.frames,
        shots=settings.shots,
        box=settings.box,
        point=settings.point,
        producer=earlier.producer,
        label=earlier.visible_label,
        label_font=None if earlier.label_font is None else earlier.label_font.path,
        compare=compare,
        preview=earlier.preview,
        say=say,
    )


def _check_place(box: Sequence[int] | None, point: Sequence[int] | None, mask: Place | None) -> None:
    other = "--box" if box is not None else None if mask is None else "--mask"
    if point is not None and other is not None:
        raise AdError(f"--point and {other} both say where the product is", "give the one or the other", "two_places")


def check_label(producer: str, label: str | None, font: Path | None) -> None:
    """Raises PvttError where a film cannot say by these that it is generated."""
    check_producer(producer)
    if label is not None:
        check_text(label, font)
    elif font is not None:
        raise PvttError("a font is given, and no label", "give --label too")


def default_model() -> Path:
    """The folder of the champion that the project ships: the workspace's, or that of the code that runs."""
    own = find_workspace().root / DEFAULT_MODEL
    return own if own.is_dir() else running_root() / DEFAULT_MODEL


def cache_folder() -> Path:
    """Where finished windows are: the workspace's item cache; outside of one, the user's cache directory."""
    workspace = find_workspace()
    if workspace.params_file.is_file() or os.environ.get("PVTT_CACHE_DIR"):
        return workspace.cache / "generate"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "pvtt" / "generate"


@cache  # reading all the source takes a second
def versions() -> dict[str, str]:
    """Of this project, of all the code that an ad depends on, and of the libraries."""
    return {"pvtt": __version__, "code": code_of(generate)} | {name: version(name) for name in LIBRARIES}


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Find out before hours of work that the output cannot be written."""
    if output.suffix.lower() not in CONTAINERS:
        raise PvttError(f"{output} is no name of a film", f"give -o a name that ends in {', '.join(CONTAINERS)}")
    if output.is_dir():
        raise PvttError(f"{output} is a folder", "give -o the name of a file")
    beside = (output.with_suffix(suffix) for suffix in (output.suffix, ".json", ".png", COMPARISON))
    taken = {file.resolve() for file in inputs}
    if clash := next((file for file in beside if file.resolve() in taken), None):
        raise PvttError(f"{clash} is one of the inputs, and would be overwritten", "give -o another name")
    above = next(folder for folder in output.absolute().parents if folder.exists())
    if not above.is_dir():
        raise PvttError(f"{above} is no folder, so {output} cannot be written", "give -o another place")
    with storage_errors(output):
        names = {f"{TEMPORARY_PREFIX}????????{suffix}" for suffix in (output.suffix, ".mp4")}
        for left in (left for name in names for left in output.parent.glob(name)):  # by a run that was killed
            if left.is_file() and left.stat().st_mtime < time.time() - LEFT_S:
                left.unlink(missing_ok=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=TEMPORARY_PREFIX):
            pass


def _read_photos(paths: Sequence[Path]) -> tuple[Rgba, ...]:
    if not paths:
        raise AdError("no photo of the new product is given", "give --photos one to five pictures of it", "no_photo")
    for path in paths:
        if not path.is_file():
            raise MissingInputError(f"the photo {path} does not exist", "give --photos pictures of the new product")
    try:
        return tuple(read_photo(path) for path in paths)
    except StorageError:
        raise
    except PvttError as error:
        raise AdError(error.message, error.hint, "bad_photo") from None


@dataclass(frozen=True)
class _Found:
    """All that is known before the first window is made."""

    template: Template
    model: ModelFormat
    mask: Path | None
    settings: AdSettings
    survey: Survey
    choice: Choice
    plans: dict[int, ShotPlan]

    def record(self, photos: Sequence[Path], preview: bool) -> AdRecord:
        template, model = self.template, self.model
        return AdRecord(
            label=LABEL,
            digital_source_type=SOURCE_TYPE,
            template=InputFile(path=str(template.path.resolve()), sha256=template.sha256),
            width=template.width,
            height=template.height,
            num_frames=template.num_frames,
            duration_s=float(template.end - template.times[0]),
            photos=tuple(input_file(path) for path in photos),
            model=InputFile(path=str(model.folder.resolve()), sha256=model_sha256(model.folder)),
            mask=None if self.mask is None else input_file(self.mask),
            settings=self.settings,
            steps=PREVIEW_STEPS if preview else model.steps,
            product_guidance=model.product_guidance,
            text_guidance=model.text_guidance,
            strength=model.strength,
            window_frames=model.num_frames,
            choice=self.choice.says,
            shots=tuple(self._shot(index, preview) for index in range(len(template.shots))),
            versions=versions(),
            preview=preview,
        )

    def _shot(self, index: int, preview: bool) -> AdShot:
        shot = self.survey.shots[index]
        span = shot.span
        plan = self.plans.get(span.number)
        start, end = self.template.span_s(span)
        reason = ""
        if plan is None:
            reason = shot.message or shot.reason or ""
            if not reason:
                label = self.choice.labels.get(span.number)
                reason = "not chosen" if self.settings.shots else f"shows another product, {label}"
        windows = 0 if plan is None else plan.num_generated
        return AdShot(
            number=span.number,
            first_frame=span.first,
            num_frames=span.num_frames,
            start_s=start,
            end_s=end,
            product=self.choice.labels.get(span.number),
            generated=plan is not None,
            reason=reason,
            product_area=shot.area,
            region=None if plan is None else self._region(plan),
            windows=min(windows, 1) if preview else windows,
        )

    def _region(self, plan: ShotPlan) -> tuple[int, int, int, int] | None:
        """Of the middle frame."""
        middle = plan.num_frames // 2
        stretch = next(one for one in plan.stretches if one.first <= middle <= one.last)
        if stretch.view is None:
            return None
        size = (self.template.width, self.template.height)
        region = stretch.view.region(size, middle - stretch.first, stretch.hole(middle))
        return box_of(region)


def _draw_label(text: str, font: Path | None, template: Template, record: AdRecord) -> VisibleLabel:
    regions = [shot.region for shot in record.shots if shot.region is not None]
    return draw_label(text, font, (template.width, template.height), template.pixel_aspect, regions)


def input_file(path: Path) -> InputFile:
    """A file that goes in, as it stands in the record."""
    return InputFile(path=str(path.resolve()), sha256=sha256_file(path))


def _prepare(
    template: Path, photos: tuple[Rgba, ...], folder: Path, mask: Path | None, settings: AdSettings, shared: Shared
) -> _Found:
    model = read_model_format(folder, settings)
    film = shared.template(template)
    looked_at = survey(film, settings, mask, ItemCache(cache_folder() / "surveys"))
    choice = choose(looked_at, settings, masked=mask is not None)
    plans = {}
    for shot in looked_at.shots:
        if shot.span.number in choice.chosen:
            size = (film.width, film.height)
            plans[shot.span.number] = plan_shot(
                looked_at.masks(shot), photos, model, size, film.pixel_aspect, film.rate
            )  # one shot's masks in memory at a time
    return _Found(film, model, mask, settings, looked_at, choice, plans)


@dataclass
class _Change:
    """How far a shot's output is from its template in the region."""

    total: float = 0.0
    count: int = 0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0


@dataclass
class _Run:
    """One ad in the making: frames stream through, a window's at a time."""

    found: _Found
    record: AdRecord
    photos: tuple[Rgba, ...]
    preview: bool
    shared: Shared
    visible: VisibleLabel | None
    compare: bool
    rows: list[SheetRow] = field(default_factory=list)
    changes: dict[int, _Change] = field(default_factory=dict)

    def write(self, output: Path) -> AdRecord:
        """Make everything, then put it in place: the film, its sheet, its record."""
        found, record = self.found, self.record
        cache = ItemCache(cache_folder() / "windows")
        cache.sweep()
        load = partial(self.shared.pipeline, found.model.folder, record.model.sha256)
        maker = WindowMaker(found.model, record.model.sha256, self.photos, found.settings, record.steps, cache, load)
        with self.shared.windows(record.num_windows) as progress:
            frames = self._frames(maker, progress)
            if self.preview:
                for _ in frames:
                    pass
                self._require_change()
            else:
                with atomic_path(output) as temporary:
                    with AdWriter(temporary, found.template, Label(record.producer, record.produce_id)) as writer:
                        for frame in frames:
                            writer.write(frame)
                    self._require_change()
                    shift = greatest_shift(temporary, found.template)
                    record = record.model_copy(
                        update={
                            "output_sha256": sha256_file(temporary),
                            "time_shift_s": float(shift),
                            "notes": tuple(writer.notes),
                        }
                    )
        if self.compare and not self.preview:
            record = record.model_copy(update={"notes": (*record.notes, *self._compare(output))})
        shots = [
            shot.model_copy(update={"change": self.changes[shot.number].mean}) if shot.number in self.changes else shot
            for shot in record.shots
        ]
        record = record.model_copy(update={"shots": tuple(shots)})
        with atomic_path(output.with_suffix(".png")) as temporary:
            write_png(temporary, draw_sheet(self.rows))
        atomic_write_text(output.with_suffix(".json"), record.to_json(indent=2) + "\n")
        return record

    def _compare(self, output: Path) -> list[str]:
        """Write the film side by side with its template; returns what could not be kept."""
        number = sha256_json([self.record.produce_id, COMPARISON])  # it is another film
        with atomic_path(output.with_suffix(COMPARISON)) as temporary:
            return write_comparison(temporary, self.found.template, output, Label(self.record.producer, number))

    def _require_change(self) -> None:
        changes = [change for change in self.changes.values() if change.count]
        if not changes:
            raise AdError(
                "nothing was generated: the region is empty in every chosen shot",
                "say where the product is with --point, --box or --mask, or choose other shots with --shots",
                "nothing_generated",
            )
        if max(change.mean for change in changes) < NO_CHANGE:
            raise AdError(
                "the output equals the template: the model put back what was there",
                "give photos of another product, another --seed, or more --guidance",
                "equals_template",
            )

    def _frames(self, maker: WindowMaker, progress: Progress) -> Iterator[Frame]:
        """The ad's frames, in order."""
        for span, source in self.found.template.frames_by_shot():
            plan = self.found.plans.get(span.number)
            made = self._passed(source) if plan is None else self._shot(span, plan, source, maker, progress)
            for index, (old, generated, region) in enumerate(made):
                new = generated if self.visible is None else self.visible.on(generated)
                if index == span.num_frames // 2:
                    self.rows.append(reduced_row(self._title(span), old, region, new))
                yield new

    @staticmethod
    def _passed(source: Iterator[Frame]) -> Iterator[tuple[Frame, Frame, FrameRegion]]:
        for frame in source:
            yield frame, frame, np.zeros(frame.shape[:2], np.bool_)

    def _title(self, span: ShotSpan) -> str:
        shot = self.record.shots[span.number - 1]
        what = "generated" if shot.generated else f"as it was: {shot.reason}"
        times = f"{shot.start_s:.2f}-{shot.end_s:.2f} s"
        return f"shot {shot.number}  {times}  product {shot.product or '-'}  {what}  (template | region | output)"

    def _shot(
        self, span: ShotSpan, plan: ShotPlan, source: Iterator[Frame], maker: WindowMaker, progress: Progress
    ) -> Iterator[tuple[Frame, Frame, FrameRegion]]:
        """A shot's frames as (template's, ad's, region), window by window."""
        change = self.changes.setdefault(span.number, _Change())
        windows = plan.windows
        shown = next(number for number, window in enumerate(windows) if span.num_frames // 2 in window)
        last: Frame | None = None  # the ad's last frame so far
        originals: list[Frame] = []  # the template's frames of a window
        for number, window in enumerate(windows):
            taken = list(islice(source, len(window) - (last is not None)))
            originals = [*originals[-1:], *taken]
            if len(originals) < len(window):
                raise PvttError(f"{self.found.template.path.name} changed while it was read", "run it again")
            wanted = plan.has_hole(window) and (not self.preview or number == shown)
            known = last is not None and not self.preview
            if wanted:
                made = self._window(plan, window, originals, last if known else None, maker, change)
                progress.advance()
            else:
                made = [(old, np.zeros(old.shape[:2], np.bool_)) for old in originals]
            fresh = 0 if last is None else 1
            for old, (new, region) in zip(originals[fresh:], made[fresh:], strict=True):
                yield old, new, region
            last = made[-1][0]

    def _window(
        self,
        plan: ShotPlan,
        window: range,
        originals: list[Frame],
        last: Frame | None,
        maker: WindowMaker,
        change: _Change,
    ) -> list[tuple[Frame, FrameRegion]]:
        """The frames of one window with what was generated in them, and their regions. `last`: the first one as it is
        in the ad already."""
        stretch = plan.stretch_of(window)
        view = stretch.view
        assert view is not None  # it has a hole
        places = [index - stretch.first for index in window]
        pixels = [view.cut(frame, place) for frame, place in zip(originals, places, strict=True)]
        known = None if last is None else view.cut(last, places[0])
        missing = plan.window - len(pixels)  # at a shot's end: its last frame stands still
        places += places[-1:] * missing
        cut, hole = np.stack(pixels + pixels[-1:] * missing), stretch.holes[places]
        collage = None
        if plan.placement is not None:
            size = (self.found.template.width, self.found.template.height)
            numbers = [stretch.first + place for place in places]
            collage = plan.placement.layers(view, size, numbers, places, cut, hole)
        made = match_colours(maker.make(cut, hole, known, collage).video, cut, hole)
        difference = np.abs(made.astype(np.int16) - cut)[hole]
        change.total += float(difference.sum())
        change.count += difference.size
        return [
            view.put_back(old, place, made[index], hole[index])
            for index, (old, place) in enumerate(zip(originals, places, strict=False))
        ]
