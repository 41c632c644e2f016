"""Route A of the research plan: points are followed on the template's product, and the photo moves with them.

VideoSwap (arXiv:2312.02087) moves a subject by a few points that a person sets and CoTracker follows. Here they are
corners of the product that OpenCV's Lucas-Kanade flow follows (`pvtt.encoding.points`), and what moves is the pasted
photo: no learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pvtt.encoding.collage import Collage
from pvtt.evaluation.contenders.contender import Route, Setting, Task
from pvtt.media.arrays import Video


class Points(Route):
    """The paste's first frame, shifted, turned and scaled as points of the template's product are."""

    name = "points"
    says = (
        "the photo pasted into the first frame, then moved by points followed on the template's product, no learning "
        "(route A)"
    )

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [None if task.motion is None else _moved(task).over(task.inpainted) for task in tasks]


def _moved(task: Task) -> Collage:
    import cv2

    assert task.motion is not None
    first, size = task.collage.layer[0], task.hole.shape[:0:-1]
    layers = [cv2.warpAffine(first, transform, size) for transform in task.motion.transforms()]
    return Collage(np.stack(layers).astype(np.float32))
