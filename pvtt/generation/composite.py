"""Put the generated product into the template's own pixels, without a seam."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame, FrameRegion, Region, Video

FEATHER = 0.012  # of the frame's short side: less than holes are dilated by, so that no old product shines through
RING = 0.06  # of the short side: how far outside the hole colours are compared, and how far inside they are moved

Floats = npt.NDArray[np.float32]


def composite(
    generated: Video,
    template: Video,
    mask: Region,
    feather: float = FEATHER,
    match_colours: bool = True,
) -> Video:
    """Generated pixels inside the mask, the template's outside, blended over a feathered edge that lies inside.

    Args:
        generated: (F, H, W, 3) uint8 RGB, the whole frames as decoded.
        template: Same shape. Its pixels outside the mask come back untouched, to the bit.
        mask: True where generated, (F, H, W).
        feather: Width of the edge as a fraction of the short side; 0 cuts hard.
        match_colours: Move the generated colours near the border by what they are off on the ring outside it.

    Returns:
        (F, H, W, 3) uint8 RGB.
    """
    return Compositor(template, mask).put(generated, feather, match_colours)


class Compositor:
    """`composite` of many videos into one template: what depends on the mask alone is computed once.

    Args:
        template: (F, H, W, 3) uint8 RGB.
        mask: True where generated, (F, H, W).
    """

    def __init__(self, template: Video, mask: Region) -> None:
        self._template = template
        self._holes = [_Hole(hole) for hole in mask]

    def put(self, generated: Video, feather: float = FEATHER, match_colours: bool = True) -> Video:
        """Arguments and result as `composite`."""
        frames = [
            hole.blend(new, old, feather, match_colours)
            for new, old, hole in zip(generated, self._template, self._holes, strict=True)
        ]
        return np.stack(frames)


@dataclass(frozen=True)
class _Carried:
    """How far one width of the mean reaches: see `_Hole.correction`.

    Args:
        width: Of the mean, in pixels.
        amount: The part of it that lies on the ring, at each pixel of the hole, (N, 1).
        share: What it counts there, (N, 1).
    """

    width: float
    amount: Floats
    share: Floats


class _Hole:
    """One frame's hole, (H, W)."""

    def __init__(self, hole: FrameRegion) -> None:
        self._hole = hole
        self._reach = RING * min(hole.shape)

    def blend(self, new: Frame, old: Frame, feather: float, match_colours: bool) -> Frame:
        """The two frames, (H, W, 3), put together."""
        hole = self._hole
        if not hole.any() or hole.all():
            return np.where(hole[..., None], new, old)
        width = feather * min(hole.shape)
        inside = self._distance[hole]
        alpha = (np.ones_like(inside) if width == 0 else np.clip(inside / (width + 1), 0, 1))[:, None]
        moved = new[hole].astype(np.float32)
        if match_colours:
            moved += self.correction(new, old)
        blended = moved * alpha + old[hole] * (1 - alpha)
        frame = old.copy()
        frame[hole] = blended.round().clip(0, 255).astype(np.uint8)
        return frame

    def correction(self, new: Frame, old: Frame) -> Floats:
        """What is added to the generated pixels, (N, 3): the template's difference from them on the ring outside the
        hole, carried inwards and fading with the distance from the border.

        It is carried as a membrane would (Pérez et al. 2003, *Poisson Image Editing*): at the border a pixel takes what
        its neighbours outside are off, further inside the mean over more of them. The mean is a normalised convolution,
        as wide as the pixel is far from the border.
        """
        difference = (old.astype(np.float32) - new) * self._ring[..., None]
        correction = np.zeros((np.count_nonzero(self._hole), difference.shape[-1]), np.float32)
        for one in self._carried:
            carried = cv2.GaussianBlur(difference, (0, 0), one.width)[self._hole]
            correction += carried / one.amount * one.share
        return np.asarray(correction * self._fading, dtype=np.float32)

    @cached_property
    def _distance(self) -> Floats:
        """Of each pixel from the border, (H, W)."""
        found = cv2.distanceTransform(self._hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray(found, np.float32)

    @cached_property
    def _ring(self) -> Floats:
        """1 on the ring around the hole, (H, W)."""
        size = 2 * round(self._reach) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        ring = (cv2.dilate(self._hole.astype(np.uint8), kernel) > 0) & ~self._hole
        return ring.astype(np.float32)

    @cached_property
    def _fading(self) -> Floats:
        return np.exp(-self._distance / self._reach)[self._hole][:, None]

    @cached_property
    def _carried(self) -> list[_Carried]:
        widths = 2.0 ** np.arange(max(1, math.ceil(math.log2(max(self._reach, 2)))) + 1)
        level = np.log2(np.clip(self._distance, widths[0], widths[-1]))
        found = []
        for number, width in enumerate(widths):
            share = np.clip(1 - np.abs(level - number), 0, 1)[self._hole]
            if share.any():
                amount = np.asarray(cv2.GaussianBlur(self._ring, (0, 0), width), np.float32)[self._hole] + 1e-4
                found.append(_Carried(float(width), amount[:, None], share[:, None]))
        return found
