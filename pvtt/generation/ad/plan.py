"""All that is known of an ad before its first window is made: shots, products, regions, and what goes in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pvtt import __version__
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import find_workspace
from pvtt.generation.ad.framing import Framing, frame_shots
from pvtt.generation.ad.label import LABEL, SOURCE_TYPE
from pvtt.generation.ad.product import Choice, Survey, choose, survey
from pvtt.generation.ad.record import AdRecord, AdShot, InputFile
from pvtt.generation.ad.region import ShotPlan, plan_shot
from pvtt.generation.ad.settings import PREVIEW_STEPS, AdSettings, ModelFormat, read_model_format
from pvtt.generation.ad.shared import Shared
from pvtt.generation.ad.stitch import box_of
from pvtt.generation.ad.template import ShotSpan, Template
from pvtt.items.cache import ItemCache
from pvtt.media.arrays import Rgba
from pvtt.models.origin import model_sha256

LIBRARIES = ("av", "diffusers", "numpy", "opencv-python-headless", "pillow", "torch", "transformers")


@dataclass(frozen=True)
class AdPlan:
    """How an ad will be made.

    Args:
        template: The film.
        model: What the model's folder says.
        mask: The file that says where the old product is; None: it was looked for.
        settings: As chosen.
        survey: What was found in each shot.
        choice: Which shots are generated in.
        shots: How, by their numbers.
        framing: What is cut out of each frame; None: all of it is shown.
    """

    template: Template
    model: ModelFormat
    mask: Path | None
    settings: AdSettings
    survey: Survey
    choice: Choice
    shots: dict[int, ShotPlan]
    framing: Framing | None

    @property
    def film_size(self) -> tuple[int, int]:
        """Width and height of the ad."""
        return (self.template.width, self.template.height) if self.framing is None else self.framing.size

    def record(self, photos: Sequence[Path], preview: bool) -> AdRecord:
        """What `new.json` says before anything is made."""
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
            notes=() if self.framing is None else self.framing.notes,
            cut_size=None if self.framing is None else self.framing.size,
            shots=tuple(self._shot(index, preview) for index in range(len(template.shots))),
            versions=versions(),
            preview=preview,
        )

    def _shot(self, index: int, preview: bool) -> AdShot:
        shot = self.survey.shots[index]
        span = shot.span
        plan = self.shots.get(span.number)
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
            cut_at=self._cut_at(span),
            windows=min(windows, 1) if preview else windows,
        )

    def _cut_at(self, span: ShotSpan) -> tuple[int, int] | None:
        """In the middle frame."""
        if self.framing is None:
            return None
        left, top = self.framing.corners[span.number][span.num_frames // 2].tolist()
        return left, top

    def _region(self, plan: ShotPlan) -> tuple[int, int, int, int] | None:
        """Of the middle frame."""
        middle = plan.num_frames // 2
        stretch = next(one for one in plan.stretches if one.first <= middle <= one.last)
        if stretch.view is None:
            return None
        size = (self.template.width, self.template.height)
        region = stretch.view.region(size, middle - stretch.first, stretch.hole(middle))
        return box_of(region)


def plan_ad(
    template: Path, photos: tuple[Rgba, ...], folder: Path, mask: Path | None, settings: AdSettings, shared: Shared
) -> AdPlan:
    """Find shots, products and regions.

    Args:
        template: The film's file.
        photos: Of the new product, (S, S, 4) each, background removed.
        folder: The model's.
        mask: A film or a picture, white where the old product is; None looks for it.
        settings: As chosen.
        shared: Holds the template.

    Raises:
        MissingInputError, PvttError: As `pvtt.generate`.
    """
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
    framing = None if settings.ratio is None else frame_shots(film, settings.ratio, plans)
    return AdPlan(film, model, mask, settings, looked_at, choice, plans, framing)


def input_file(path: Path) -> InputFile:
    """A file that goes in, as it stands in the record."""
    return InputFile(path=str(path.resolve()), sha256=sha256_file(path))


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
    return {"pvtt": __version__, "code": code_of("pvtt.generation.ad.job:generate")} | {
        name: version(name) for name in LIBRARIES
    }
