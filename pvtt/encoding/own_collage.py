"""A collage that agrees with the truth: the product of one frame of the film, moved along with it.

A photo shows another side of the product than the film does. From collages of photos alone a model learns that a print
is never where the collage has it, and smears it. In a share of the training samples the collage is cut out of the film
itself, in other light: what it shows is right wherever the product has not turned, so the model learns to keep it.
(Cutting the reference out of the target is how Paint by Example, arXiv:2211.13227, and AnyDoor, arXiv:2307.09481, train
at all; here it is for the collage alone, and the photos stay photos.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from pvtt.encoding.collage import SUPERSAMPLING, Collage, Track, cut_out, draw_on_track, line_through
from pvtt.encoding.crop import bounding_box
from pvtt.encoding.masks import product_mask
from pvtt.encoding.photo_change import MAX_GAIN, MAX_SLOPE
from pvtt.media.arrays import Frame, MaskVideo, Video


@dataclass(frozen=True)
class OwnCollage:
    """One draw.

    Args:
        moment: Which frame it is cut out of, in [0, 1) of those that show the product.
        light: Brightness as a factor, and what it gains from left to right and from top to bottom of the frame.
    """

    moment: float
    light: tuple[float, float, float]

    @classmethod
    def draw(cls, random: np.random.Generator) -> Self:
        """Any frame, in the light of the changed photos' distribution."""
        moment, gain = float(random.random()), float(random.uniform(1 - MAX_GAIN, 1 + MAX_GAIN))
        across, along = (float(slope) for slope in random.uniform(-MAX_SLOPE, MAX_SLOPE, 2))
        return cls(moment, (gain, across, along))

    def make(self, pixels: Video, coverage: MaskVideo) -> Collage:
        """The collage.

        Args:
            pixels: The film, (F, H, W, 3).
            coverage: The product's coverage of each pixel, (F, H, W) uint8 of 255.

        Returns:
            In the frame that it is cut out of, the product stands where it stood; before and after, on a straight line
            near its way. Empty where no frame shows the product.
        """
        product = product_mask(coverage)
        shown = np.flatnonzero(product.any(axis=(1, 2)))
        if not len(shown):
            return Collage(np.zeros((*coverage.shape, 4), np.float32))
        own = int(self.moment * len(shown))
        frame = shown[own]
        photo = np.dstack([self._lit(pixels[frame]), coverage[frame]])
        cutout = cut_out(photo, SUPERSAMPLING * max(coverage.shape[1:]))
        if cutout is None:
            return Collage(np.zeros((*coverage.shape, 4), np.float32))
        left, top, right, bottom = np.transpose([bounding_box(product[index]) for index in shown]).astype(np.float64)
        log_size = 0.5 * np.log(product[shown].sum(axis=(1, 2)))
        places = np.stack([(left + right) / 2, (top + bottom) / 2, log_size - log_size[own]])  # (3, shown frames)
        times = shown / max(1, len(coverage) - 1)
        lines = np.array([line_through(times, values) for values in places])  # (3, 2): at the first and last frame
        missed = places[:, own] - (lines[:, 0] * (1 - times[own]) + lines[:, 1] * times[own])
        ends = (lines + missed[:, None]).T.reshape(6)
        return Collage(draw_on_track(cutout, Track(ends, 1.0), coverage.shape))

    def _lit(self, picture: Frame) -> Frame:
        gain, across, along = self.light
        height, width = picture.shape[:2]
        right, down = (np.linspace(-0.5, 0.5, count, dtype=np.float32) for count in (width, height))
        light = gain + across * right[None, :, None] + along * down[:, None, None]
        return np.asarray((picture * light).round().clip(0, 255), dtype=np.uint8)
