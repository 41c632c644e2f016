"""Where the old product stands in each frame of a shot, smoothed in time: what the new one is placed by.

    masks ──► each frame's box ──► what the frame's border cuts off is added ──► middle, ground and size, smooth

A mask's outline trembles and a product that leaves the frame seems to shrink; the new one is to do neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from pvtt.encoding.crop import bounding_box
from pvtt.media.arrays import FrameRegion, Region

PLACE_REACH_S = 0.5  # a place is on the straight line through the frames this near, the nearest of which count most
SIZE_REACH_S = 1.0  # the same of a size: a product that breathes is seen sooner than one that is late
MIN_WHOLE = 3  # frames that must show all of the product, to tell from them how large it is in the others

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """Where a product stands in each of F frames, in the template's stored pixels; in frames without it in between.

    Args:
        middle: Of its box from left to right, (F,).
        ground: Its box's lower edge, (F,).
        size: The diameter of the smallest circle around it, in heights of a pixel, (F,).
        shown: The numbers of the frames that show it, (n,).
        whole: Whether these show all of it, (n,).
        pixel_aspect: Width of a pixel over its height.
    """

    middle: Floats
    ground: Floats
    size: Floats
    shown: npt.NDArray[np.intp]
    whole: npt.NDArray[np.bool_]
    pixel_aspect: float

    def boxes(self, sides: Floats) -> Floats:
        """Boxes on the same ground and about the same middle, (F, 4): left, top, right, bottom; they may leave the
        frame.

        Args:
            sides: Width and height of a box, in sizes of the old product, (2,).
        """
        wide, high = self.size * sides[0] / self.pixel_aspect, self.size * sides[1]
        edges = [self.middle - wide / 2, self.ground - high, self.middle + wide / 2, self.ground]
        return np.stack(edges, axis=1)


def follow(product: Region, frame_size: tuple[int, int], pixel_aspect: Fraction, rate: Fraction) -> Standing:
    """Where a product stands.

    Args:
        product: Its masks, (F, h, w) at the work size; one at least shows it.
        frame_size: Width and height of the template's frames.
        pixel_aspect: Width of a pixel over its height.
        rate: Frames a second.
    """
    num_frames, height, width = product.shape
    shown = np.flatnonzero(product.any(axis=(1, 2)))
    boxes = np.array([bounding_box(product[index]) for index in shown], np.float64)
    at_border = np.concatenate([boxes[:, :2] <= 0, boxes[:, 2:] >= (width, height)], axis=1)
    whole = np.asarray(~at_border.any(axis=1), np.bool_)
    factor = np.array([frame_size[0] / width, frame_size[1] / height])
    seen = factor * (float(pixel_aspect), 1.0)
    sizes = np.array([diameter(product[index], seen) for index in shown])
    sides = boxes[:, 2:] - boxes[:, :2]
    if whole.sum() >= MIN_WHOLE:
        sides = np.stack([np.interp(shown, shown[whole], axis[whole]) for axis in sides.T], axis=1)
        boxes = _completed(boxes, at_border, sides)
        sizes = np.interp(shown, shown[whole], sizes[whole])
    reaches = [max(1, round(seconds * rate)) for seconds in (PLACE_REACH_S, PLACE_REACH_S, SIZE_REACH_S)]
    tracks = ((boxes[:, 0] + boxes[:, 2]) / 2 * factor[0], boxes[:, 3] * factor[1], sizes)
    middle, ground, size = (
        smooth(shown, track, num_frames, reach) for track, reach in zip(tracks, reaches, strict=True)
    )
    return Standing(middle, ground, size, shown, whole, float(pixel_aspect))


def diameter(region: FrameRegion, scale: Floats) -> float:
    """Of the smallest circle around a region, (H, W), that is not empty.

    It is what a picture tells of the sphere around a product. A box's diagonal is half as long again where the product
    is round: a bottle in a ring's place became a half larger than the ring.

    Args:
        region: True where the product is.
        scale: Width and height of a pixel, (2,).
    """
    import cv2

    rows = np.flatnonzero(region.any(axis=1))
    left = region[rows].argmax(axis=1)
    right = region.shape[1] - region[rows, ::-1].argmax(axis=1)
    corners = [(column, row + down) for column in (left, right) for row, down in ((rows, 0), (rows, 1))]
    points = np.concatenate([np.stack(corner, axis=1) for corner in corners]) * scale
    return 2 * float(cv2.minEnclosingCircle(points.astype(np.float32))[1])


def _completed(boxes: Floats, at_border: npt.NDArray[np.bool_], sides: Floats) -> Floats:
    """Boxes, (n, 4), with what one border cuts off added to them, as far as the sides, (n, 2), tell."""
    left, top, right, bottom = boxes.T
    cut = at_border & ~at_border[:, [2, 3, 0, 1]]  # off on this side alone
    return np.stack(
        [
            np.where(cut[:, 0], np.minimum(left, right - sides[:, 0]), left),
            top,
            np.where(cut[:, 2], np.maximum(right, left + sides[:, 0]), right),
            np.where(cut[:, 3], np.maximum(bottom, top + sides[:, 1]), bottom),
        ],
        axis=1,
    )


def smooth(places: npt.NDArray[np.intp], values: Floats, num_frames: int, reach: int) -> Floats:
    """Values at some frames → a smooth value for each of F frames, (F,).

    At a given frame it is on the straight line through those at most `reach` away, weighted by their nearness (local
    regression, Cleveland 1979); between given frames it goes straight from one to the next.

    Args:
        places: The frames' numbers, rising, (n,).
        values: At these, (n,).
        num_frames: F.
        reach: In frames.
    """
    offsets = np.arange(-reach, reach + 1)
    kernel = (1 - np.abs(offsets / (reach + 1)) ** 3) ** 3

    def near(given: Sequence[float] | Floats, power: int) -> Floats:
        """The weighted sum of (offset^power · value) around each place."""
        line = np.zeros(num_frames + 2 * reach)
        line[places + reach] = given
        return np.asarray(np.correlate(line, kernel * offsets**power, "valid")[places], np.float64)

    ones, about = np.ones(len(places)), values.mean()
    weight, first, second = (near(ones, power) for power in range(3))
    value, slope = (near(values - about, power) for power in range(2))
    spread = weight * second - first**2
    lone = spread < 1e-9
    line = (second * value - first * slope) / np.where(lone, 1.0, spread)
    smoothed = about + np.where(lone, value / weight, line)
    return np.asarray(np.interp(np.arange(num_frames), places, smoothed), np.float64)
