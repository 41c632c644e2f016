"""Put the generated product into the template's own pixels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

FEATHER = 0.02  # of the frame's short side


def composite(
    generated: npt.NDArray[np.uint8],
    template: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    feather: float = FEATHER,
) -> npt.NDArray[np.uint8]:
    """Generated pixels inside the mask, the template's outside, blended over a feathered edge that lies inside.

    Args:
        generated: (F, H, W, 3) uint8 RGB.
        template: Same shape. Its pixels outside the mask come back untouched, to the bit.
        mask: True where generated, (F, H, W).
        feather: Width of the edge as a fraction of the short side; 0 cuts hard.

    Returns:
        (F, H, W, 3) uint8 RGB.
    """
    width = feather * min(mask.shape[1:])
    frames = []
    for new, old, hole in zip(generated, template, mask, strict=True):
        distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        alpha = hole.astype(np.float32) if width == 0 or hole.all() else np.clip(distance / (width + 1), 0, 1)
        blended = new * alpha[..., None] + old * (1 - alpha[..., None])
        frames.append(blended.round().astype(np.uint8))
    return np.stack(frames)
