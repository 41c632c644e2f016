"""Put the generated product into the template's own pixels."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.media.arrays import Region, Video

FEATHER = 0.02  # of the frame's short side


def composite(
    generated: Video,
    template: Video,
    mask: Region,
    feather: float = FEATHER,
) -> Video:
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
