"""A crop of the template's frames, and the way back: made pixels in a frame that is else the template's to the bit.

What is generated has the window's few pixels; it is enlarged to the crop's, colour-matched at the hole's border in the
window, and blended over a feathered edge that lies inside the hole, at the template's full size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.encoding.crop import CropPath
from pvtt.generation.composite import composite
from pvtt.media.arrays import Frame, FrameRegion, Region, Video

# Of the window's short side around each product: as much as holes are dilated by, so that no old outline is left; and
# as much as is feathered, so that the template's shadow comes up to the new one.
OLD_MARGIN, NEW_MARGIN = 0.03, 0.015
BORDER = 0.02  # of the short side: how far outside a hole its border's colours are taken
SOFT = 0.01  # of the short side: how softly what is the product's and what is the backdrop's go over into each other
TINY = 1e-6

Picture = npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """A crop that follows the product.

    Args:
        path: Where it is in the padded frames, in the template's pixels.
        pad: Pixels by which frames are continued to the left and right, and above and below, since the crop is wider or
            higher than they are.
    """

    path: CropPath
    pad: tuple[int, int]

    def cut(self, frame: Frame, place: int) -> Frame:
        """The crop of a frame, (window height, window width, 3)."""
        return self.path.cut(self._padded(frame), place)

    def _padded(self, frame: Frame) -> Frame:
        across, down = self.pad
        if not (across or down):
            return frame
        return np.asarray(cv2.copyMakeBorder(frame, down, down, across, across, cv2.BORDER_REPLICATE), np.uint8)

    def region(self, frame_size: tuple[int, int], place: int, hole: FrameRegion) -> FrameRegion:
        """A hole of the window, (window height, window width), in a frame of this width and height, (H, W)."""
        region = np.zeros(frame_size[::-1], np.bool_)
        (left, top, right, bottom), move = self._placement(frame_size, place)
        if hole.any() and left < right and top < bottom:
            flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
            inside = cv2.warpAffine(hole.astype(np.uint8), move, (right - left, bottom - top), flags=flags)
            region[top:bottom, left:right] = inside > 0
        return region

    def put_back(self, frame: Frame, place: int, made: Frame, hole: FrameRegion) -> tuple[Frame, FrameRegion]:
        """A frame with what was made in its hole.

        Args:
            frame: The template's, (H, W, 3).
            place: Its number on the path.
            made: (window height, window width, 3), already colour-matched.
            hole: Where it was made, (window height, window width).

        Returns:
            The frame, whose pixels outside the region are the given ones, and the region, (H, W).
        """
        size = (frame.shape[1], frame.shape[0])
        region = self.region(size, place, hole)
        if not region.any():
            return frame, region
        (left, top, right, bottom), move = self._placement(size, place)
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
        new = cv2.warpAffine(made, move, (right - left, bottom - top), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        result = frame.copy()
        old, inside = frame[top:bottom, left:right], region[top:bottom, left:right]
        blended = composite(np.asarray(new, np.uint8)[None], old[None], inside[None], match_colours=False)
        result[top:bottom, left:right] = blended[0]
        return result, region

    def affine(
        self, frame_size: tuple[int, int], place: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where a point of a frame of this width and height, (x, y), is in the window: point · scale + shift."""
        scale, corner = self._scaled(frame_size, place)
        return scale, np.array(self.pad) * scale - corner

    def _placement(
        self, frame_size: tuple[int, int], place: int
    ) -> tuple[tuple[int, int, int, int], npt.NDArray[np.float64]]:
        """The crop's rectangle in the frame (left, top, right, bottom), and where its pixels lie in the window.

        The arithmetic is that of `CropPath.cut`, which first scales the whole frame, then moves it.
        """
        width, height = frame_size
        scale, corner = self._scaled(frame_size, place)
        size = np.array(self.path.size)
        pad = np.array(self.pad, np.float64)
        begin = np.floor(corner / scale - pad).astype(int).clip(0, (width, height))
        end = np.ceil((corner + size) / scale - pad).astype(int).clip(0, (width, height))
        # Pixel x of the rectangle has its middle at x + begin + pad + 1/2 of the canvas.
        shift = (begin + pad + 0.5) * scale - 0.5 - corner
        move = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
        return (int(begin[0]), int(begin[1]), int(end[0]), int(end[1])), move

    def _scaled(self, frame_size: tuple[int, int], place: int) -> tuple[npt.NDArray[np.float64], ...]:
        """What the padded frame is scaled by, and the crop's left and top edge in it then, (2,) each."""
        canvas = np.array([frame_size[0] + 2 * self.pad[0], frame_size[1] + 2 * self.pad[1]], np.float64)
        size, crop_size = np.array(self.path.size), np.array(self.path.crop_size)
        scaled = np.maximum(size, np.rint(canvas * size / crop_size))
        scale = scaled / canvas
        return scale, (self.path.corners[place] * scale).clip(0, scaled - size)


def match_colours(made: Video, pixels: Video, holes: Region, product: Region | None = None) -> Video:
    """The window's own pixels with what was made in the holes, its colours moved to those around them.

    Args:
        made: (F, H, W, 3).
        pixels: The window, (F, H, W, 3).
        holes: (F, H, W).
        product: Where the new product is, (F, H, W): it is moved near the border alone, the backdrop all the way, so
            that a shadow that ends at the border goes on to the product. None: all is moved near the border alone.
    """
    near = composite(made, pixels, holes, feather=0)
    if product is None:
        return near
    frames = zip(near, made, pixels, holes, _widened(product, NEW_MARGIN), strict=True)
    return np.stack([_with_backdrop(*frame) for frame in frames])


def _with_backdrop(near: Frame, made: Frame, pixels: Frame, hole: FrameRegion, product: FrameRegion) -> Frame:
    """A frame, (H, W, 3), whose backdrop in the hole is moved to the colours at the hole's border."""
    if not hole.any() or hole.all():
        return near
    border = _widened(hole[None], BORDER)[0] & ~hole
    difference = np.asarray((pixels.astype(np.float32) - made) * border[..., None], np.float32)
    moved = made + _filled(difference, border.astype(np.float32))
    soft = cv2.GaussianBlur(product.astype(np.float32), (0, 0), SOFT * min(hole.shape))[..., None]
    mixed = (near * soft + moved * (1 - soft)).round().clip(0, 255).astype(np.uint8)
    return np.where(hole[..., None], mixed, pixels)


def _filled(values: Picture, weight: Picture) -> Picture:
    """Values, (h, w, 3), that are known where the weight, (h, w), is 1: smooth everywhere.

    Pull and push (Gortler et al. 1996, *The Lumigraph*): the picture is halved until all is known, then each size fills
    what the one above leaves open.
    """
    height, width = weight.shape
    if min(height, width) <= 2:
        total = max(float(weight.sum()), TINY)
        mean = (values * weight[..., None]).sum(axis=(0, 1)) / total
        return np.broadcast_to(mean, values.shape).astype(np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    sums, weights = (
        np.asarray(cv2.resize(cv2.GaussianBlur(one, (5, 5), 1.0), size, interpolation=cv2.INTER_AREA), np.float32)
        for one in (values * weight[..., None], weight)
    )
    known = np.asarray(sums / np.maximum(weights, TINY)[..., None], np.float32)
    above = _filled(known, np.asarray(np.minimum(1, 4 * weights), np.float32))
    pushed = cv2.resize(above, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(values * weight[..., None] + pushed * (1 - weight[..., None]), np.float32)


def changed_region(hole: Region, old: Region, new: Region) -> Region:
    """What of a window's hole comes back into the film: both products and a margin, (F, H, W).

    A hole is as coarse as those of the training, and has room for whatever side the product shows. Around both products
    the template's own pixels are right, with the shadow that lies there, and a model's are not.

    Args:
        hole: Where was generated, (F, H, W).
        old: Where the old product is.
        new: Where the photo in its place is.
    """
    return hole & (_widened(old, OLD_MARGIN) | _widened(new, NEW_MARGIN))


def _widened(regions: Region, margin: float) -> Region:
    radius = math.ceil(margin * min(regions.shape[1:]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.stack([cv2.dilate(one.astype(np.uint8), disc) > 0 for one in regions])


def box_of(region: FrameRegion) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of a region, (H, W); None of an empty one."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        return None
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
