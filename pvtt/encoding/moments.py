"""Whether a photo shows a moment of a clip itself. Then it is no reference for that clip.

Shops take frames of a film for photos. A model that is given one learns to copy it, and its loss looks normal. So a
photo is held against the clip's frames, some every second: the whole photo against whole frames by their pHash, and the
cut-out product against the product cut out of the frames, for photos that are crops of a frame or have lost their
background. A bottle looks much alike from all sides and in all films, so cut-outs must agree in their pHash and in
their colours.

On the sample shop, bits of the pHash's 64 to the nearest frame, and the cut-outs' difference in colour, of 255:

| | whole | cut-outs | colour, where cut-outs are 4 bits apart or less | known |
|---|---|---|---|---|
| frames as photos: JPEG, cut out by the photos stage (26) | 0 to 2 | 0 to 4 | 2 to 10 | 26 |
| the same, cropped around the product (26) | 0 to 22 | 0 to 12 | 1 to 7, one 13 | 22 |
| the shop's own photos with each clip of their product (457) | 6 to 40 | 4 to 36 | 11 (one pair) | none |
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.encoding.crop import bounding_box
from pvtt.media.arrays import Frame, MaskFrame, MaskVideo, Rgba
from pvtt.media.likeness import distance, perceptual_hash
from pvtt.media.video import VideoReader, to_rgb

A_SECOND = 4  # frames that are looked at; between two of them little moves
SHORT_SIDE = 160  # pixels that a frame is looked at in
SMALL = 32  # pixels a side of a cut-out
PRESENT = 128  # of 255: a pixel of this alpha shows the product
GREY = 127.5  # behind a cut-out when it is hashed
MAX_COLOUR = 8.0  # of 255, mean over a cut-out's pixels


@dataclass(frozen=True)
class Look:
    """A cut-out product, centred and small.

    Args:
        hash: Its pHash, before grey.
        colour: Its colours weighted by alpha, and alpha in [0, 1], (S, S, 4).
    """

    hash: int
    colour: npt.NDArray[np.float32]

    @classmethod
    def of(cls, picture: Rgba) -> Look | None:
        """What is opaque of a picture, (H, W, 4); None where nothing is."""
        solid = picture[..., 3] >= PRESENT
        if not solid.any():
            return None
        left, top, right, bottom = bounding_box(solid)
        every = max(1, max(bottom - top, right - left) // (4 * SMALL))  # 4×4 are averaged, which is enough
        cut = picture[top:bottom:every, left:right:every].astype(np.float32)
        alpha = cut[..., 3:] / 255
        weighted = np.concatenate([cut[..., :3] * alpha, alpha], axis=-1)
        scale = SMALL / max(weighted.shape[:2])
        height, width = (max(1, round(scale * side)) for side in weighted.shape[:2])
        small = np.zeros((SMALL, SMALL, 4), np.float32)
        top, left = (SMALL - height) // 2, (SMALL - width) // 2
        small[top : top + height, left : left + width] = cv2.resize(
            weighted, (width, height), interpolation=cv2.INTER_AREA
        )
        shown = small[..., :3] + (1 - small[..., 3:]) * GREY
        return cls(perceptual_hash(shown.round().clip(0, 255).astype(np.uint8)), small)

    def colour_difference(self, other: Look) -> float:
        """Mean absolute difference where both show the product, of 255; infinite where none does."""
        alphas = self.colour[..., 3], other.colour[..., 3]
        both = np.minimum(*alphas)
        if not both.any():
            return float("inf")
        one, two = (
            look.colour[..., :3] / np.maximum(alpha, 1e-3)[..., None]
            for look, alpha in zip((self, other), alphas, strict=True)
        )
        return float((np.abs(one - two).mean(-1) * both).sum() / both.sum())


@dataclass(frozen=True)
class Moments:
    """What a clip's frames look like.

    Args:
        frames: pHashes of whole frames.
        products: The product in those that show it.
    """

    frames: tuple[int, ...]
    products: tuple[Look, ...]

    @classmethod
    def read(cls, clip: Path, coverage: MaskVideo, fps: float) -> Moments:
        """Look at a clip's frames, `A_SECOND`.

        Args:
            clip: The video.
            coverage: The product's over the whole clip, (F, H, W) uint8 of 255.
            fps: The clip's frames a second.

        Raises:
            VideoError, MissingCodecError: As `pvtt.media.video.VideoReader`.
        """
        height, width = coverage.shape[1:]
        scale = min(1.0, SHORT_SIDE / min(height, width))
        size = (round(scale * width), round(scale * height))
        frames, products = [], []
        first, next_time = None, Fraction(0)
        with VideoReader(clip, sparse=True) as reader:
            for time, frame in reader:
                first = time if first is None else first
                number = round((time - first) * Fraction(fps))
                if time < next_time or number >= len(coverage):
                    continue
                next_time = time + Fraction(1, A_SECOND)
                picture = to_rgb(frame, *size)
                frames.append(perceptual_hash(picture))
                product = Look.of(_cut_out(picture, coverage[number]))
                products += [] if product is None else [product]
        return cls(tuple(frames), tuple(products))

    def show(self, photo: Rgba, whole: int | None, most: int) -> bool:
        """Whether a photo shows one of them.

        Args:
            photo: The product, cut out, (H, W, 4).
            whole: pHash of the photo with its background; None where it is not known.
            most: Bits that hashes of the same moment may differ in.
        """
        if whole is not None and any(distance(whole, frame) <= most for frame in self.frames):
            return True
        look = Look.of(photo)
        return look is not None and any(
            distance(look.hash, product.hash) <= most and look.colour_difference(product) <= MAX_COLOUR
            for product in self.products
        )


def _cut_out(picture: Frame, coverage: MaskFrame) -> Rgba:
    size = (picture.shape[1], picture.shape[0])
    return np.dstack([picture, cv2.resize(coverage, size, interpolation=cv2.INTER_AREA)])
