"""The crop: a window of the sample's size that follows the product, so that the product is seen large.

A window keeps one size over a sample's frames, from the product's extent in all of them, and its middle moves on a
smooth path, so that cropping adds no motion that the camera did not have. Evaluation and generation take the product at
`fill` of the window, in its middle; training draws how large it is and where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame, MaskFrame, Region
from pvtt.params.encode import CropParams

MARGIN = 1.25  # the window's least width and height, in the product's: room for the hole around it
PATH_DEGREE = 2  # of the polynomial in time that the window's middle follows


@dataclass(frozen=True)
class CropDraw:
    """How one crop is framed.

    Args:
        fill: Share of the window's area that the product's bounding box covers.
        shift: Of the product from the window's middle, as shares of the room beside it, (right, down) in [-1, 1].
    """

    fill: float
    shift: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def evaluation(cls, params: CropParams) -> Self:
        """The fixed framing of evaluation and generation."""
        return cls(params.fill)

    @classmethod
    def draw(cls, params: CropParams, random: np.random.Generator) -> Self:
        """A framing of the training distribution."""
        fill = float(random.uniform(params.min_fill, params.max_fill))
        right, down = random.uniform(-params.shift, params.shift, 2)
        return cls(fill, (float(right), float(down)))


@dataclass(frozen=True)
class CropPath:
    """Where a window lies in each of a sample's frames.

    Args:
        corners: Left and top edge in the frame's pixels, (F, 2).
        crop_size: Width and height in the frame's pixels.
        size: Width and height that it is resized to.
    """

    corners: npt.NDArray[np.float64]
    crop_size: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def whole(cls, num_frames: int, frame_size: tuple[int, int], size: tuple[int, int]) -> Self:
        """The whole frame (width, height)."""
        return cls(np.zeros((num_frames, 2)), (float(frame_size[0]), float(frame_size[1])), size)

    @classmethod
    def follow(cls, product: Region, draw: CropDraw, size: tuple[int, int]) -> Self:
        """A window that follows a product.

        Args:
            product: Where it is, (F, H, W); it shows in at least one frame.
            draw: How it is framed.
            size: Width and height of the result, whose ratio the window has.
        """
        num_frames, frame_height, frame_width = product.shape
        shown = np.flatnonzero(product.any(axis=(1, 2)))
        boxes = np.array([bounding_box(product[place]) for place in shown], dtype=np.float64)
        extent = (boxes[:, 2:] - boxes[:, :2]).max(axis=0)
        aspect = size[0] / size[1]
        width = max(np.sqrt(extent.prod() / draw.fill * aspect), MARGIN * extent[0], MARGIN * extent[1] * aspect)
        width = min(width, frame_width, frame_height * aspect)
        crop = np.array([width, width / aspect])
        room = np.maximum(crop - extent, 0) / 2
        middles = _smooth(shown, (boxes[:, :2] + boxes[:, 2:]) / 2, num_frames) - room * draw.shift
        corners = (middles - crop / 2).clip(0, np.array([frame_width, frame_height]) - crop)
        return cls(corners, (float(crop[0]), float(crop[1])), size)

    def cut(self, frame: Frame | MaskFrame, place: int) -> Frame | MaskFrame:
        """The window of frame `place`, (height, width, …), uint8 like `frame`."""
        height, width = frame.shape[:2]
        resized_size = (
            max(self.size[0], round(width * self.size[0] / self.crop_size[0])),
            max(self.size[1], round(height * self.size[1] / self.crop_size[1])),
        )
        interpolation = cv2.INTER_AREA if resized_size[0] < width else cv2.INTER_CUBIC
        if resized_size != (width, height):
            frame = np.asarray(cv2.resize(frame, resized_size, interpolation=interpolation), dtype=np.uint8)
        scale = np.array(resized_size) / (width, height)
        limit = np.array(resized_size) - self.size
        left, top = (self.corners[place] * scale).clip(0, limit)
        if left.is_integer() and top.is_integer():
            return frame[int(top) : int(top) + self.size[1], int(left) : int(left) + self.size[0]]
        move = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
        moved = cv2.warpAffine(frame, move, self.size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.uint8)


def bounding_box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what a mask, (H, W), covers; right and bottom are the first that it does not."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _smooth(places: npt.NDArray[np.intp], points: npt.NDArray[np.float64], num_frames: int) -> npt.NDArray[np.float64]:
    """The polynomial in time nearest to points (N, 2) at `places`, for every frame, (F, 2)."""
    degree = min(PATH_DEGREE, len(places) - 1)
    times = (np.arange(num_frames) - places.mean()) / max(num_frames, 1)
    return np.stack([np.polyval(np.polyfit(times[places], axis, degree), times) for axis in points.T], axis=1)
