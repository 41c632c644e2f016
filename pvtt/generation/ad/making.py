"""An ad in the making: the template's frames stream through, a window's at a time, into the film and its sheet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_path, atomic_write_text
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.generation.ad.compare import COMPARISON, write_comparison
from pvtt.generation.ad.label import Label
from pvtt.generation.ad.leftovers import Leftovers, looks_of
from pvtt.generation.ad.plan import AdPlan, cache_folder
from pvtt.generation.ad.record import AdRecord, AdShot
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.region import ShotPlan
from pvtt.generation.ad.shared import Shared
from pvtt.generation.ad.sheet import SheetRow, draw_sheet, reduced_row
from pvtt.generation.ad.signing import Signature, Signing
from pvtt.generation.ad.stitch import changed_region, match_colours
from pvtt.generation.ad.template import ShotSpan
from pvtt.generation.ad.visible import VisibleLabel
from pvtt.generation.ad.windows import WindowMaker
from pvtt.generation.ad.write import AdWriter, greatest_shift
from pvtt.items.cache import ItemCache
from pvtt.items.progress import Progress
from pvtt.media.arrays import Frame, FrameRegion, Rgba
from pvtt.media.images import write_png

NO_CHANGE = 1.0  # of 255, mean in the region: with less, the output is the template, compressed once more
# Of 255, mean where the photo is: with less, the output is the photo pasted. Measured with pvtt-tiny on the first
# window of JEWE016 with BOTT001's photos, of MUGS002 with JEWE003's and of BOTT004 with BOXE005's, by strength: the
# schedule's least noise 0.8, 1.0, 0.7; 0.05 1.7, 2.2, 1.6; 0.1 3.2, 4.3, 2.8; 0.3 (the model's own) 8.0, 11.3, 6.6;
# from noise 24, 21, 12. The VAE alone moves the photo by 9 to 18, so it is held against what has been through the VAE.
NO_DRAWING = 1.2


@dataclass
class _Change:
    """How far a shot's output is from its template in the region, and from the photo pasted."""

    total: float = 0.0
    count: int = 0
    drawn: float | None = None  # `Made.drawn` of the window nearest to the shot's middle

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0


@dataclass
class Making:
    """One ad.

    Args:
        plan: How it is made.
        record: What is known of it so far.
        photos: Of the new product, (S, S, 4) each, background removed.
        preview: One window a shot, and no film.
        shared: Holds the model.
        visible: The label on its frames; None: there is none.
        compare: Write the film beside its template too.
        signing: Who signs the film; None: nobody does.
        rows: Of the contact sheet, so far.
        changes: Of the shots that were generated in, so far, by their numbers.
        leftovers: Of the old product, so far.
    """

    plan: AdPlan
    record: AdRecord
    photos: tuple[Rgba, ...]
    preview: bool
    shared: Shared
    visible: VisibleLabel | None
    compare: bool
    signing: Signing | None = None
    rows: list[SheetRow] = field(default_factory=list)
    changes: dict[int, _Change] = field(default_factory=dict)
    leftovers: Leftovers = field(default_factory=Leftovers)

    def write(self, output: Path) -> AdRecord:
        """Make everything, then put it in place: the film, its sheet, its record."""
        plan, record = self.plan, self.record
        cache = ItemCache(cache_folder() / "windows")
        cache.sweep()
        load = partial(self.shared.pipeline, plan.model.folder, record.model.sha256)
        maker = WindowMaker(plan.model, record.model.sha256, self.photos, plan.settings, record.steps, cache, load)
        with self.shared.windows(record.num_windows) as progress:
            frames = self._frames(maker, progress)
            if self.preview:
                for _ in frames:
                    pass
                self._require_change()
            else:
                with atomic_path(output) as temporary:
                    width, height = plan.film_size
                    shown = replace(plan.template, width=width, height=height)
                    with AdWriter(temporary, shown, Label(record.producer, record.produce_id)) as writer:
                        for frame in frames:
                            writer.write(frame)
                    self._require_change()
                    shift = greatest_shift(temporary, plan.template)
                    record = record.model_copy(
                        update={
                            "signature": self._sign(temporary, output.name),
                            "output_sha256": sha256_file(temporary),
                            "time_shift_s": float(shift),
                            "notes": (*record.notes, *writer.notes),
                            "leftovers": self.leftovers.check(plan.template.path),
                        }
                    )
        if self.compare and not self.preview:
            record = record.model_copy(update={"notes": (*record.notes, *self._compare(output))})
        record = record.model_copy(update={"shots": tuple(map(self._with_change, record.shots))})
        with atomic_path(output.with_suffix(".png")) as temporary:
            write_png(temporary, draw_sheet(self.rows))
        atomic_write_text(output.with_suffix(".json"), record.to_json(indent=2) + "\n")
        return record

    def _sign(self, film: Path, title: str) -> Signature | None:
        """Sign a film that is written, and not yet in its place."""
        if self.signing is None:
            return None
        signature = self.signing.signature(sha256_file(film))
        unsigned = film.with_stem(f"{film.stem}-unsigned")
        film.replace(unsigned)
        try:
            self.signing.sign(unsigned, self.plan.template.path, film, title)
        finally:
            unsigned.unlink(missing_ok=True)
        return signature

    def _with_change(self, shot: AdShot) -> AdShot:
        change = self.changes.get(shot.number)
        return shot if change is None else shot.model_copy(update={"change": change.mean, "drawn": change.drawn})

    def _compare(self, output: Path) -> list[str]:
        """Write the film side by side with its template; returns what could not be kept."""
        number = sha256_json([self.record.produce_id, COMPARISON])  # it is another film
        with atomic_path(output.with_suffix(COMPARISON)) as temporary:
            label = Label(self.record.producer, number)
            return write_comparison(temporary, self.plan.template, output, label, self.record.cut_size)

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
        drawn = [change.drawn for change in changes if change.drawn is not None]
        if drawn and max(drawn) < NO_DRAWING:
            raise AdError(
                f"the output equals the photo pasted: at strength {self.record.strength:g} the model drew nothing over "
                "it",
                "give more --strength, up to 1",
                "equals_photo",
            )

    def _frames(self, maker: WindowMaker, progress: Progress) -> Iterator[Frame]:
        """The ad's frames, in order."""
        for span, source in self.plan.template.frames_by_shot():
            plan = self.plan.shots.get(span.number)
            looks = looks_of(span, self.plan.template.rate)
            made = self._passed(source) if plan is None else self._shot(span, plan, source, maker, progress)
            for index, (old, generated, region) in enumerate(made):
                cut = partial(self._cut, span.number, index)
                new = cut(generated) if self.visible is None else self.visible.on(cut(generated))
                if index in looks and not self.preview:
                    time = float(self.plan.template.times[span.first + index])
                    self.leftovers.look(span.number, time, old, region, new, cut(region))
                if index == span.num_frames // 2:
                    self.rows.append(reduced_row(self._title(span), cut(old), cut(region), new))
                yield new

    def _cut(self, shot: int, index: int, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What of a frame is shown."""
        framing = self.plan.framing
        return picture if framing is None else framing.cut(picture, shot, index)

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
        holed = [number for number, window in enumerate(windows) if plan.has_hole(window)]
        compared = min(holed, key=lambda number: abs(number - shown), default=None)
        last: Frame | None = None  # the ad's last frame so far
        originals: list[Frame] = []  # the template's frames of a window
        for number, window in enumerate(windows):
            taken = list(islice(source, len(window) - (last is not None)))
            originals = [*originals[-1:], *taken]
            if len(originals) < len(window):
                raise PvttError(f"{self.plan.template.path.name} changed while it was read", "run it again")
            wanted = number in holed and (not self.preview or number == shown)
            known = last is not None and not self.preview
            if wanted:
                given = last if known else None
                made = self._window(plan, window, originals, given, maker, change, compared=number == compared)
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
        compared: bool,
    ) -> list[tuple[Frame, FrameRegion]]:
        """The frames of one window with what was generated in them, and their regions. `last`: the first one as it is
        in the ad already; `compared`: it is held against the photo pasted."""
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
            size = (self.plan.template.width, self.plan.template.height)
            numbers = [stretch.first + place for place in places]
            collage = plan.placement.layers(view, size, numbers, places, cut, hole)
        window_made = maker.make(cut, hole, known, collage, compared=compared)
        if compared:
            change.drawn = window_made.drawn
        product = None
        if collage is not None and self.record.strength < 1:  # else the model draws where it likes in the hole
            product = collage.region
            hole = changed_region(hole, stretch.old[places], product)
        made = match_colours(window_made.video, cut, hole, product)
        difference = np.abs(made.astype(np.int16) - cut)[hole]
        change.total += float(difference.sum())
        change.count += difference.size
        return [
            view.put_back(old, place, made[index], hole[index])
            for index, (old, place) in enumerate(zip(originals, places, strict=False))
        ]
