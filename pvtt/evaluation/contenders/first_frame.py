"""Route B of the research plan: the first frame is edited, and the rest follows it.

I2VEdit (arXiv:2405.16537) lets an image-to-video model follow. With the folder of one that is what happens here.
Without any, the edited frame is carried along the template's optical flow: no learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pvtt.encoding.collage import Collage
from pvtt.evaluation.contenders.contender import Route, Setting, Task
from pvtt.evaluation.contenders.stock import StockPipeline
from pvtt.media.arrays import Video
from pvtt.media.flow import sample_along


class FirstFrame(Route):
    """The paste's first frame, and what follows from it.

    Args:
        pipeline: An image-to-video pipeline; None: optical flow.
    """

    name = "first_frame"
    says = (
        "the photo pasted into the first frame, then carried along the template's optical flow, no learning (route B "
        "without an image-to-video model)"
    )

    def __init__(self, pipeline: StockPipeline | None = None) -> None:
        self._pipeline = pipeline
        if pipeline is not None:
            self.sha256 = pipeline.sha256
            self.says = (
                "the photo pasted into the first frame, then an image-to-video model's film of it (route B): "
                f"{pipeline.says}"
            )

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        if self._pipeline is not None:
            return [self._filmed(task, self._pipeline) for task in tasks]
        return [None if task.motion is None else _carried(task).over(task.inpainted) for task in tasks]

    def _filmed(self, task: Task, pipeline: StockPipeline) -> Video:
        from PIL import Image

        first = task.collage.inside(task.hole).over(task.inpainted)[0]
        return pipeline.film(task, image=Image.fromarray(first))


def _carried(task: Task) -> Collage:
    """The pasted photo of the first frame in all of them."""
    assert task.motion is not None
    first = task.collage.layer[0]
    layers = [sample_along(first, flow, outside=0.0) for flow in task.motion.to_first]
    return Collage(np.stack(layers))
