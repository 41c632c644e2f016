"""Changes of a photo that leave the product the one it is: how it is framed, lit, seen and what is behind it.

Photos of one product are few and much alike; a model that has learned them by heart fails on a customer's, which are
taken nearer or farther, in another light, from a little to the side, or badly cut out. (Paint by Example,
arXiv:2211.13227, changes its reference likewise, so that the model does not paste it.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from pvtt.media.arrays import Rgba
from pvtt.params.encode import PhotoAugmentParams

MIN_SCALE, MAX_SCALE = 0.75, 1.15  # of the product, about the photo's middle; above 1.14 the margin is used up
MAX_SHIFT = 0.06  # of the photo's side
MAX_GAIN, MAX_SLOPE = 0.15, 0.15  # of brightness: overall, and from edge to edge; hue stays
MAX_CORNER = 0.07  # how far a corner moves, of the photo's side


@dataclass(frozen=True)
class PhotoChange:
    """One photo's change. None leaves that side of it as it is.

    Args:
        crop: Scale, and shift to the right and down as shares of the side.
        light: Brightness as a factor, and what it gains from left to right and from top to bottom.
        perspective: Where the four corners move, (right, down) as shares of the side, clockwise from the top left.
        background: RGB at the top and at the bottom of what is behind the product.
    """

    crop: tuple[float, float, float] | None = None
    light: tuple[float, float, float] | None = None
    perspective: tuple[tuple[float, float], ...] | None = None
    background: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None

    @classmethod
    def draw(cls, params: PhotoAugmentParams, random: np.random.Generator) -> Self:
        """A change of the training distribution; each side of it is drawn whether or not another is on."""
        chances = random.random(4)
        scale = float(random.uniform(MIN_SCALE, MAX_SCALE))
        right, down = (float(shift) for shift in random.uniform(-MAX_SHIFT, MAX_SHIFT, 2))
        gain = float(random.uniform(1 - MAX_GAIN, 1 + MAX_GAIN))
        across, along = (float(slope) for slope in random.uniform(-MAX_SLOPE, MAX_SLOPE, 2))
        corners = tuple((float(x), float(y)) for x, y in random.uniform(-MAX_CORNER, MAX_CORNER, (4, 2)))
        top, bottom = (tuple(int(value) for value in colour) for colour in random.integers(0, 256, (2, 3)))
        return cls(
            crop=(scale, right, down) if chances[0] < params.crop else None,
            light=(gain, across, along) if chances[1] < params.light else None,
            perspective=corners if chances[2] < params.perspective else None,
            background=(top, bottom) if chances[3] < params.background else None,  # type: ignore[arg-type]
        )

    def apply(self, photo: Rgba) -> Rgba:
        """The changed photo, (S, S, 4) uint8; with a background it is opaque."""
        if self == type(self)():
            return photo
        side = len(photo)
        alpha = photo[..., 3:].astype(np.float32) / 255
        weighted = np.concatenate([photo[..., :3] * alpha, alpha], axis=-1)
        if self.crop is not None or self.perspective is not None:
            size = (side, side)
            weighted = np.asarray(cv2.warpPerspective(weighted, self._homography(side), size, flags=cv2.INTER_AREA))
        colour, alpha = weighted[..., :3], weighted[..., 3:].clip(0, 1)
        if self.light is not None:
            gain, across, along = self.light
            ramp = np.linspace(-0.5, 0.5, side, dtype=np.float32)
            colour = colour * (gain + across * ramp[None, :, None] + along * ramp[:, None, None])
        if self.background is not None:
            top, bottom = (np.array(one, np.float32) for one in self.background)
            share = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
            colour = colour + (1 - alpha) * (top * (1 - share) + bottom * share)
            alpha = np.ones_like(alpha)
        plain = np.divide(colour, alpha, out=np.zeros_like(colour), where=alpha > 0)
        changed = np.concatenate([plain, alpha * 255], axis=-1)
        return np.asarray(changed.round().clip(0, 255), dtype=np.uint8)

    def _homography(self, side: int) -> np.ndarray:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        moved = corners.copy()
        if self.perspective is not None:
            moved += np.array(self.perspective, np.float32)
        if self.crop is not None:
            scale, right, down = self.crop
            moved = (moved - 0.5) * scale + 0.5 + np.array([right, down], np.float32)
        return np.asarray(cv2.getPerspectiveTransform(corners * side, (moved * side).astype(np.float32)))
