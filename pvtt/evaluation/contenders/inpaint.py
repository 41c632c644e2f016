"""OpenCV's inpainting: the template without any product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pvtt.evaluation.contenders.contender import Contender, Setting, Task
from pvtt.media.arrays import Region, Video

RADIUS = 3  # pixels around each that it is computed from


class Inpaint(Contender):
    """The hole filled from its edge inwards, frame by frame."""

    name = "inpaint"
    says = "the hole filled from its surroundings, no learning: the template without a product"

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [inpaint(task.template, task.hole) for task in tasks]


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
