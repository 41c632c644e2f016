"""OpenCV's inpainting, frame by frame."""

from __future__ import annotations

import numpy as np

from pvtt.media.arrays import Region, Video

RADIUS = 3  # pixels around each that it is computed from


def inpaint(video: Video, hole: Region) -> Video:
    """`video`, (F, H, W, 3), with each frame's hole, (F, H, W), filled from its surroundings.

    Telea 2004, *An Image Inpainting Technique Based on the Fast Marching Method*.
    """
    import cv2

    filled = [
        cv2.inpaint(np.ascontiguousarray(frame), inside.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
        for frame, inside in zip(video, hole, strict=True)
    ]
    return np.stack(filled).astype(np.uint8)
