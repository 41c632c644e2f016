"""One colour change for a product's video and its photos alike.

With few products a model can learn their colours by heart. The same random change on both sides makes new products of
them, and leaves the photos as the only place to learn the colour from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

# RGB to luma and two chroma axes (ITU-R BT.601's YIQ): a rotation of the chroma plane changes hue and keeps luma.
_RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])

MIN_SATURATION, MAX_SATURATION = 0.6, 1.3
GAIN_SIGMA = 0.12  # of each channel's log gain: greys get a tint too, silver can turn gold


@dataclass(frozen=True)
class ColourChange:
    """A linear map of RGB.

    Args:
        matrix: 3×3, applied to RGB column vectors.
    """

    matrix: tuple[tuple[float, float, float], ...]

    @classmethod
    def identity(cls) -> Self:
        return cls(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))

    @classmethod
    def draw(cls, random: np.random.Generator) -> Self:
        """A random change: any hue, some saturation, a gain for each channel."""
        angle = random.uniform(-np.pi, np.pi)
        saturation = random.uniform(MIN_SATURATION, MAX_SATURATION)
        cosine, sine = saturation * np.cos(angle), saturation * np.sin(angle)
        chroma = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        gain = np.diag(np.exp(random.normal(0, GAIN_SIGMA, 3)))
        matrix = gain @ np.linalg.inv(_RGB_TO_YIQ) @ chroma @ _RGB_TO_YIQ
        return cls(tuple((float(a), float(b), float(c)) for a, b, c in matrix))

    def apply(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Change the first three channels of uint8 pixels (…, 3 or 4); alpha is kept."""
        if self == type(self).identity():
            return pixels
        changed = pixels[..., :3].astype(np.float32) @ np.array(self.matrix, dtype=np.float32).T
        result = pixels.copy()
        result[..., :3] = changed.round().clip(0, 255)
        return result
