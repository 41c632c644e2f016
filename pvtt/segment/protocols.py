"""The two exchangeable parts of segmentation. Weights, licences and better models change; these stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame, GreyFrame, SoftMask


@dataclass(frozen=True)
class Detection:
    """The products that a detector sees in one frame.

    Attributes:
        boxes: (N, 4) pixels: left, top, right, bottom; one a product, the surest first. N = 0: no product.
        scores: (N,) in [0, 1].
        mask: (H, W) in [0, 1] over all products, from detectors that tell pixels; else None.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    mask: SoftMask | None = None

    @property
    def num_products(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """Finds the product in a single frame."""

    @property
    def name(self) -> str:
        """Name and version, recorded with every mask."""
        ...

    def detect(self, frame: Frame) -> Detection:
        """Look at one frame, (H, W, 3) RGB."""
        ...


class Tracker(Protocol):
    """Carries detections on key frames through all frames of one uncut clip."""

    @property
    def name(self) -> str:
        """Name and version, recorded with every mask."""
        ...

    @property
    def sees_colour(self) -> bool:
        """Whether it must be given RGB; else brightness alone, (H, W), does, which is cheaper to decode."""
        ...

    def track(
        self,
        frames: Iterable[tuple[Frame | GreyFrame, Detection | None]],
        look: Callable[[Frame], Detection] | None = None,
    ) -> Iterator[SoftMask]:
        """Yield a soft mask, (H, W) in [0, 1], for each frame, in order.

        Args:
            frames: The clip's frames, (H, W, 3) RGB or, as `sees_colour` says, (H, W), in order; key frames come with
                their detection. They are consumed as masks are asked for, and no more of them are held than lie
                between two key frames.
            look: The detector, for a tracker that asks it again where it lost the product.
        """
        ...
