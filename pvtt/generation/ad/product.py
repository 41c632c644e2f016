"""Where the old product is in a template: found and tracked shot by shot, and matched between shots by its colours.

    shot's frames ──► segmenter (detect on key frames, track between, smooth) ──► masks, and whether of a product
    colours under the masks ──► shots that look alike show one product ──► the one that is shown longest is replaced

Masks are made at a reduced size, in which a long film's fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.encoding.masks import COVERED
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.generation.ad.point import PointDetector
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.settings import AdSettings
from pvtt.generation.ad.template import ShotSpan, Template
from pvtt.generation.inputs import PICTURE_SUFFIXES, read_mask
from pvtt.items.cache import ItemCache
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Frame, FrameRegion, MaskFrame, Region
from pvtt.media.masks import iter_masks
from pvtt.media.video import VideoError
from pvtt.params.segment import SegmentParams
from pvtt.segment.cleaning import clean, temporal_median
from pvtt.segment.protocols import Detection, Detector
from pvtt.segment.segmenter import Judge, key_frames, load_models, weights_sha256s

WORK_SIDE = 360  # pixels of the short side at which masks are made; flow is computed at 240 lines
MIN_AREA = 0.004  # of the frame, on average: below is no product. A clip for training has at least 0.03
BOX_SALIENT = 0.15  # share of a given box that must stand out; else the whole box is the product
NOTHING_THERE = "nothing_at_point"  # the code of a shot in which nothing stands out at the given point
NUM_LOOKS = 5  # frames of a shot whose colours are looked at
# Of 1: shots whose products' colours are at least this alike show one product. Measured on 21 shots of 8 films of the
# sample shop: shots of one film 0.91 and more to the nearest of its others, shots of two films 0.87 at most.
SAME = 0.88
COLOUR_WEIGHT = 0.7  # of hue and saturation in that likeness; the rest is brightness

Appearance = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FoundShot:
    """A shot and what was found in it.

    Args:
        span: Its frames.
        packed: The product's masks at the work size, eight pixels a byte, (F, bytes).
        area: Of the frame, on average.
        reason: Why it is no product's shot, as a code for tables; None where it is one.
        message: The same for a person.
        appearance: Of what was found; empty where nothing was.
    """

    span: ShotSpan
    packed: npt.NDArray[np.uint8]
    area: float
    reason: str | None
    message: str
    appearance: Appearance


@dataclass(frozen=True)
class Survey:
    """All shots of a template.

    Args:
        size: Width and height at which the masks are.
        shots: In order.
    """

    size: tuple[int, int]
    shots: tuple[FoundShot, ...]

    def masks(self, shot: FoundShot) -> Region:
        """Where the product is, (F, H, W) at the work size."""
        width, height = self.size
        bits = np.unpackbits(shot.packed, axis=1, count=width * height)
        return bits.reshape(-1, height, width).view(np.bool_)  # a copy would be as large as the film


@dataclass(frozen=True)
class Choice:
    """Which shots are generated in.

    Args:
        labels: The product of each shot that shows one, a letter by the shot's number; A is shown longest.
        chosen: Numbers of the shots to generate in.
        says: The choice, and how to make another, for a person.
    """

    labels: dict[int, str]
    chosen: tuple[int, ...]
    says: str


def survey(template: Template, settings: AdSettings, mask: Path | None, kept: ItemCache) -> Survey:
    """Look at every shot of a template; what was found is kept in the item cache.

    Args:
        template: The film.
        settings: `box`, `point` and `shots` say where to look.
        mask: A film or a picture that is white where the product is; None looks for it.
        kept: The item cache of surveys.

    Raises:
        MissingInputError: There is no such mask.
        PvttError: The mask does not fit the film, or the box or the point is not in its frame.
    """
    if mask is not None and not mask.is_file():
        raise MissingInputError(f"the mask {mask} does not exist", "give --mask a film or a picture")
    inputs = {
        "template": template.sha256,
        "box": settings.box,
        "point": settings.point,
        "shots": settings.shots if settings.box or settings.point else None,
        "mask": None if mask is None else sha256_file(mask),
        "weights": weights_sha256s(SegmentParams()),
        "code": _code(),
    }
    key = sha256_json(inputs)
    size = _work_size(template)
    if (entry := kept.read(key)) is None:
        found = list(_look(template, size, settings, mask))
        with kept.write(key) as new:
            for shot in found:
                np.save(new.directory / f"masks-{shot.span.number:03d}.npy", shot.packed)
                np.save(new.directory / f"appearance-{shot.span.number:03d}.npy", shot.appearance)
            new.result = [{"area": shot.area, "reason": shot.reason, "message": shot.message} for shot in found]
        return Survey(size, tuple(found))
    return Survey(
        size,
        tuple(
            FoundShot(
                span=span,
                packed=np.load(entry.directory / f"masks-{span.number:03d}.npy"),
                appearance=np.load(entry.directory / f"appearance-{span.number:03d}.npy"),
                **result,
            )
            for span, result in zip(template.shots, entry.result, strict=True)
        ),
    )


@cache  # reading all the source takes a second
def _code() -> str:
    return code_of(survey)


def choose(found: Survey, settings: AdSettings, masked: bool = False) -> Choice:
    """Decide in which shots to generate: the given ones, or all that show the product that is shown longest.

    Where a mask says what the product is (`masked`), it is all in which it has a place.

    Raises:
        AdError: No shot, or a given one, shows a product; or there is no such shot.
    """
    by_number = {shot.span.number: shot for shot in found.shots}
    labels = _label([shot for shot in found.shots if shot.reason is None])
    if settings.shots is not None:
        for number in settings.shots:
            if number not in by_number:
                raise AdError(
                    f"the template has {len(by_number)} shots, no shot {number}",
                    "`--dry-run` lists the shots; give --shots numbers of these",
                    "no_such_shot",
                )
            if (why := by_number[number].reason) is not None:
                said = f"shot {number}: {by_number[number].message or why}"
                if why == NOTHING_THERE:
                    raise AdError(said, "draw a box around the product: --box x,y,width,height", NOTHING_THERE)
                raise AdError(
                    said,
                    "say where the product is with --point x,y, --box x,y,width,height or --mask FILE, or leave the "
                    "shot out",
                    "shot_without_product",
                )
        chosen = tuple(sorted(set(settings.shots)))
        return Choice(labels, chosen, f"generating in the given shots {_listed(chosen)}")
    if not labels:
        raise AdError(
            f"no product was found in the template's {len(by_number)} shots: {_why_not(found.shots)}",
            "say where it is with --point x,y or --box x,y,width,height (in the shot's first frame) or --mask FILE",
            "no_product",
        )
    if masked:
        return Choice(labels, tuple(labels), f"the mask has a product in shots {_listed(labels)}")
    chosen = tuple(number for number, label in labels.items() if label == "A")
    others = tuple(number for number, label in labels.items() if label != "A")
    says = f"product A is shown longest, in shots {_listed(chosen)}, and is replaced"
    if others:
        says += (
            f"; another is in {_listed(others)}: --shots {','.join(map(str, sorted((*chosen, *others))))} takes both"
        )
    return Choice(labels, chosen, says)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _why_not(shots: Sequence[FoundShot]) -> str:
    shown = [f"shot {shot.span.number}: {shot.message}" for shot in shots[:3]]
    return "; ".join(shown) + ("; …" if len(shots) > 3 else "")


def _label(shots: Sequence[FoundShot]) -> dict[int, str]:
    """A letter for each shot: shots that look alike have the same, A has the most frames."""
    groups: list[list[FoundShot]] = []
    for shot in sorted(shots, key=lambda shot: -shot.span.num_frames):
        likeness = [max(alike(shot.appearance, other.appearance) for other in group) for group in groups]
        if likeness and max(likeness) >= SAME:
            groups[int(np.argmax(likeness))].append(shot)
        else:
            groups.append([shot])
    groups.sort(key=lambda group: -sum(shot.span.num_frames for shot in group))
    letters = {shot.span.number: chr(ord("A") + min(place, 25)) for place, group in enumerate(groups) for shot in group}
    return dict(sorted(letters.items()))


def alike(one: Appearance, other: Appearance) -> float:
    """How alike two products' colours are, 0 to 1: the Bhattacharyya coefficients of hue with saturation, and of
    brightness."""
    return float((one * other).sum())


def appearance(frames: Iterable[tuple[Frame, FrameRegion]]) -> Appearance:
    """The colours of a product.

    Args:
        frames: Pictures, (H, W, 3) RGB, and where the product is, (H, W).

    Returns:
        Roots of weighted shares, so that `alike` of it with itself is 1; zeros where there is no product.
    """
    colour, light = np.zeros((24, 24), np.float32), np.zeros(8, np.float32)
    for frame, region in frames:
        inside = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # edges have the backdrop's colour
        lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)[inside if inside.any() else region].astype(np.float32)
        if len(lab):
            colour += np.histogram2d(lab[:, 1], lab[:, 2], bins=24, range=((32, 224), (32, 224)))[0].astype(np.float32)
            light += np.histogram(lab[:, 0], bins=8, range=(0, 256))[0].astype(np.float32)
    if not light.any():
        return np.zeros(24 * 24 + 8, np.float32)
    colour = np.asarray(cv2.GaussianBlur(colour, (0, 0), 1.0), np.float32)  # light moves colours over the bins' edges
    light = np.convolve(light, np.array([0.25, 0.5, 0.25], np.float32), mode="same")
    parts = (COLOUR_WEIGHT * colour.ravel() / colour.sum(), (1 - COLOUR_WEIGHT) * light / light.sum())
    return np.sqrt(np.concatenate(parts)).astype(np.float32)


def _work_size(template: Template) -> tuple[int, int]:
    scale = min(1.0, WORK_SIDE / min(template.width, template.height))
    return max(8, round(template.width * scale)), max(8, round(template.height * scale))


def _look(template: Template, size: tuple[int, int], settings: AdSettings, mask: Path | None) -> Iterator[FoundShot]:
    params = SegmentParams(min_area=MIN_AREA, max_products=99)
    given = None if mask is None else _given_masks(mask, template, size)
    place = _given_place(settings, template, size)
    placed = () if place is None else (settings.shots or (1,))
    for span, frames in template.frames_by_shot():
        small = (_reduced(frame, size) for frame in frames)
        judge = Judge(params)
        looks = _looks(span.num_frames)
        seen: list[tuple[Frame, FrameRegion]] = []
        packed: list[npt.NDArray[np.uint8]] = []
        if given is not None:
            pairs: Iterable[tuple[Frame, FrameRegion]] = ((frame, next(given)) for frame in small)
            judge.counts.append(1)
        elif place is not None and span.number in placed:
            pairs = _tracked(small, {0}, place, judge)
        else:
            detector, _ = load_models(params)
            keys = set(key_frames(span.num_frames, params.key_frame_every))
            pairs = _tracked(small, keys, _OneProduct(detector), judge)
        for index, (frame, region) in enumerate(pairs):
            judge.measure(region)
            packed.append(np.packbits(region.ravel()))
            if index in looks:
                seen.append((frame, region))
        reason, message = _judged(judge)
        if settings.point is not None and span.number in placed and judge.counts == [0]:
            reason = NOTHING_THERE
            x, y = settings.point
            message = f"nothing that stands out is at the point {x},{y} of its first frame"
        area = float(np.mean(judge.areas))
        yield FoundShot(span, np.stack(packed), area, reason, message, appearance(seen))


def _looks(num_frames: int) -> set[int]:
    return set(np.linspace(0, num_frames - 1, NUM_LOOKS).round().astype(int).tolist())


def _judged(judge: Judge) -> tuple[str | None, str]:
    try:
        judge.decide()
    except ItemRejectedError as reject:
        return reject.reason, reject.message
    return None, ""


def _reduced(frame: Frame, size: tuple[int, int]) -> Frame:
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _tracked(
    frames: Iterable[Frame], keys: set[int], detector: Detector, judge: Judge
) -> Iterator[tuple[Frame, FrameRegion]]:
    """Each frame of a shot with its product's mask, as the `segment` stage makes it."""
    held: list[Frame] = []  # handed to the tracker, and not yet given on with a mask

    def detected() -> Iterator[tuple[Frame, Detection | None]]:
        for index, frame in enumerate(frames):
            held.append(frame)
            yield frame, detector.detect(frame) if index in keys else None

    _, tracker = load_models(judge.params)
    soft = tracker.track(judge.watch(detected()))
    binary = (mask >= judge.params.threshold for mask in soft)
    for region in temporal_median(binary, judge.params.smooth_frames):
        yield held.pop(0), clean(region, judge.params.min_component) if region.any() else region


class _OneProduct:
    """A detector of the largest product alone, where there are several."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    @property
    def name(self) -> str:
        return self._detector.name

    def detect(self, frame: Frame) -> Detection:
        """See `Detector.detect`."""
        detection = self._detector.detect(frame)
        if detection.num_products < 2 or detection.mask is None:
            return detection
        inside = np.zeros_like(detection.mask)
        left, top, right, bottom = (int(edge) for edge in detection.boxes[0])
        inside[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = 1
        return Detection(detection.boxes, detection.scores, detection.mask * inside)


class _BoxDetector:
    """What stands out inside a box that a person drew; the whole box where nothing does."""

    name = "box-1"

    def __init__(self, box: tuple[int, int, int, int]) -> None:
        self._box = box

    def detect(self, frame: Frame) -> Detection:
        """See `Detector.detect`."""
        from pvtt.foreground.holes import foreground

        left, top, width, height = self._box
        soft = np.zeros(frame.shape[:2], np.float32)
        room = slice(top, top + height), slice(left, left + width)
        around = (
            slice(max(0, top - height // 4), top + height + height // 4),
            slice(max(0, left - width // 4), left + width + width // 4),
        )
        seen = np.zeros_like(soft)
        seen[around] = foreground(np.ascontiguousarray(frame[around]))
        salient = seen[room]
        soft[room] = salient if (salient >= 0.5).mean() >= BOX_SALIENT else 1.0
        box = np.array([[left, top, left + width, top + height]], np.float32)
        return Detection(box, np.ones(1, np.float32), soft)


def _given_place(settings: AdSettings, template: Template, size: tuple[int, int]) -> Detector | None:
    """The detector of what a person said to be the product, if anything. Raises as `_scaled` and `_scaled_point`."""
    if settings.box is not None:
        return _BoxDetector(_scaled(settings.box, template, size))
    return None if settings.point is None else PointDetector(_scaled_point(settings.point, template, size))


def _scaled_point(point: tuple[int, int], template: Template, size: tuple[int, int]) -> tuple[int, int]:
    """A point in the template's pixels at the work size. Raises `PvttError` where it is outside the frame."""
    x, y = point
    if not (0 <= x < template.width and 0 <= y < template.height):
        raise PvttError(
            f"the point {x},{y} is not inside the frame of {template.width}×{template.height}",
            "give --point x,y in the template's pixels, from the left and from the top",
        )
    return int((x + 0.5) * size[0] / template.width), int((y + 0.5) * size[1] / template.height)


def _scaled(box: tuple[int, int, int, int], template: Template, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box in the template's pixels at the work size. Raises `PvttError` where it leaves the frame."""
    x, y, width, height = box
    if width < 1 or height < 1 or x < 0 or y < 0 or x + width > template.width or y + height > template.height:
        raise PvttError(
            f"the box {x},{y},{width},{height} is not inside the frame of {template.width}×{template.height}",
            "give --box left,top,width,height in the template's pixels",
        )
    across, down = size[0] / template.width, size[1] / template.height
    left, top = int(x * across), int(y * down)
    return left, top, max(1, round(width * across)), max(1, round(height * down))


def _given_masks(mask: Path, template: Template, size: tuple[int, int]) -> Iterator[FrameRegion]:
    """The masks of a file, one a frame of the template, at the work size. Raises `VideoError`, `PvttError`."""
    try:
        yield from _fitting_masks(mask, template, size)
    except VideoError as error:
        hint = "give --mask a film or a picture, white where the product is"
        raise VideoError(error.message, error.hint or hint, error.reason) from None


def _fitting_masks(mask: Path, template: Template, size: tuple[int, int]) -> Iterator[FrameRegion]:
    if mask.suffix.lower() in PICTURE_SUFFIXES:
        picture = np.where(read_mask(mask, 1)[0], np.uint8(255), np.uint8(0))
        masks: Iterator[MaskFrame] = (picture for _ in range(template.num_frames))
    else:
        masks = iter_masks(mask)
    count = 0
    for count, one in enumerate(masks, start=1):
        if count == 1 and abs(one.shape[1] / one.shape[0] * template.height / template.width - 1) > 0.02:
            raise PvttError(
                f"the mask {mask.name} is {one.shape[1]}×{one.shape[0]}, the template "
                f"{template.width}×{template.height}",
                "give a mask of the template's ratio",
            )
        yield np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA) >= COVERED)
    if count < template.num_frames:
        raise PvttError(
            f"the mask {mask.name} has {count} frames, the template {template.num_frames}",
            "give a mask for each frame, or one picture for all",
        )
