"""Another ratio than the template's: each frame is cut, never squeezed, so that the product stays in the picture.

    a shot's regions, or where these do not fit the product in its place
        ──► between which edges the cut-out may lie in each frame
        ──► one place for all of them, or else the smoothest way between the edges

Cut-outs are as large as the ratio allows, so they move along one axis alone, and by whole pixels, so that what is not
generated stays the template's to the bit. A shot that nothing is generated in shows its middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.region import ShotPlan
from pvtt.generation.ad.standing import Floats
from pvtt.generation.ad.template import Template

MIN_SIDE = 16  # pixels
ROUNDS = 300  # in which a way is smoothed and put between its edges again
REACH_S = 0.5  # before and after a frame, over which it is smoothed

Corners = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Framing:
    """What is cut out of each frame.

    Args:
        size: Width and height, in the template's pixels.
        corners: Left and top edge in each frame of a shot, (F, 2), by the shot's number.
        notes: Where the new product is in the cut-out, and its region is not.
    """

    size: tuple[int, int]
    corners: dict[int, Corners]
    notes: tuple[str, ...] = ()

    def cut(self, picture: npt.NDArray[Any], shot: int, index: int) -> npt.NDArray[Any]:
        """The cut-out of a frame of a shot, or of its region, (H, W, …)."""
        left, top = self.corners[shot][index]
        return picture[top : top + self.size[1], left : left + self.size[0]]


def frame_shots(template: Template, aspect: Fraction, shots: Mapping[int, ShotPlan]) -> Framing:
    """Where to cut.

    Args:
        template: The film.
        aspect: Width over height, as seen.
        shots: How shots are generated, by their numbers.

    Raises:
        AdError: The new product is larger than the cut-out, or the cut-out has hardly any pixels.
    """
    frame_size = template.width, template.height
    size = _size(frame_size, aspect / template.pixel_aspect)
    corners: dict[int, Corners] = {}
    notes = []
    for span in template.shots:
        plan = shots.get(span.number)
        if plan is None:
            middle = [(whole - cut) // 2 for whole, cut in zip(frame_size, size, strict=True)]
            corners[span.number] = np.tile(np.array(middle, np.intp), (span.num_frames, 1))
            continue
        boxes = plan.boxes(frame_size)
        if not _fit(boxes, size):
            boxes = plan.product_boxes(frame_size)
            _require_room(boxes, size, span.number, frame_size)
            notes.append(f"shot {span.number}: the product is in the cut-out, what is generated around it is cut off")
        reach = max(4, round(REACH_S * template.rate))
        ways = [_way(boxes[:, axis], boxes[:, 2 + axis], size[axis], frame_size[axis], reach) for axis in range(2)]
        corners[span.number] = np.stack(ways, axis=1)
    return Framing(size, corners, tuple(notes))


def _size(frame_size: tuple[int, int], ratio: Fraction) -> tuple[int, int]:
    """The largest cut-out of this ratio of stored pixels, with even sides."""
    width, height = frame_size
    wide = min(Fraction(width), height * ratio)
    size = int(wide) // 2 * 2, int(wide / ratio) // 2 * 2
    if min(size) < MIN_SIDE:
        raise AdError(
            f"a cut-out of this ratio has {size[0]}×{size[1]} of the template's {width}×{height} pixels",
            "give --aspect a ratio that is nearer to the template's",
            "aspect_too_narrow",
        )
    return size


def _fit(boxes: Floats, size: tuple[int, int]) -> bool:
    return bool((_sides(boxes) <= size).all())


def _sides(boxes: Floats) -> Floats:
    """Of the widest and the highest box, (2,)."""
    return np.asarray(np.nanmax(boxes[:, 2:] - boxes[:, :2], axis=0, initial=0), np.float64)


def _require_room(boxes: Floats, size: tuple[int, int], shot: int, frame_size: tuple[int, int]) -> None:
    if not _fit(boxes, size):
        wide, high = _sides(boxes)
        raise AdError(
            f"in shot {shot} the new product is up to {wide:.0f}×{high:.0f} pixels large, and a cut-out of this ratio "
            f"{size[0]}×{size[1]} of the template's {frame_size[0]}×{frame_size[1]}",
            "give --aspect a ratio that is nearer to the template's, or leave the shot out with --shots",
            "aspect_too_narrow",
        )


def _way(begins: Floats, ends: Floats, side: int, whole: int, reach: int) -> Corners:
    """Where cut-outs begin along one axis, (F,), so that each holds its region.

    Args:
        begins: Of the regions, (F,); NaN where there is none.
        ends: Likewise.
        side: Of the cut-out.
        whole: Of the frame.
        reach: In frames, over which it is smooth.
    """
    low = np.nan_to_num(np.ceil(ends) - side, nan=0).clip(0, whole - side)
    high = np.nan_to_num(np.floor(begins), nan=whole - side).clip(0, whole - side)
    wanted = (begins + ends - side) / 2
    if low.max() <= high.min():  # a still picture stays still
        middle = np.nanmedian(wanted) if np.isfinite(wanted).any() else (whole - side) / 2
        return np.full(len(low), round(float(np.clip(middle, low.max(), high.min()))), np.intp)
    radius, inner = _narrowed(low, high, reach)
    places = np.arange(len(wanted))
    known = np.isfinite(wanted)
    way = np.interp(places, places[known], wanted[known]).clip(*inner)
    for _ in range(ROUNDS):
        way = _smoothed(way, radius).clip(*inner)
    return np.rint(_smoothed(way, radius).clip(low, high)).astype(np.intp)


def _narrowed(low: Floats, high: Floats, reach: int) -> tuple[int, tuple[Floats, Floats]]:
    """The narrowest of what is around each frame, and how many frames around that is: a way between these edges is
    between the given ones too when it has been smoothed over so many frames."""
    for radius in (reach, reach // 2, reach // 4, 1):
        around = np.ones((1, 2 * radius + 1), np.uint8)
        inner = cv2.dilate(low[None], around)[0], cv2.erode(high[None], around)[0]
        if (inner[0] <= inner[1]).all():
            return radius, (np.asarray(inner[0], np.float64), np.asarray(inner[1], np.float64))
    return 1, (low, high)


def _smoothed(way: Floats, radius: int) -> Floats:
    size = 2 * radius + 1
    smoothed = cv2.GaussianBlur(way[None], (size, 1), radius / 2, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smoothed[0], np.float64)
