"""OpenCV's inpainting, frame by frame."""

from __future__ import annotations

import numpy as np

from pvtt.media.arrays import Region, Video

RADIUS = 3  # pixels around each that it is computed from


def inpaint(video: Video, hole: Region) -> Video:
    """`video`, (F, H, W, 3), with each frame's hole, (F, H, W), filled from its surroundings.

    Telea 2004, *An Image Inpainting Technique Based on the Fast Marching Method*. What is in the hole changes nothing:
    OpenCV's reads a little of it where it touches the frame's upper edge, so it is emptied first.
    """
    import cv2

    empty = np.where(hole[..., None], np.uint8(127), video)
    filled = [
        cv2.inpaint(frame, inside.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
        for frame, inside in zip(empty, hole, strict=True)
    ]
    return np.stack(filled).astype(np.uint8)
