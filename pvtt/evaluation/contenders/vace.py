"""Stock VACE (arXiv:2503.07598) before any training: masked video and reference images in, diffusers' own pipeline.

Where the evaluated model's base is a VACE it needs no folder: it is sampled as the model is (`VACE` in `model.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pvtt.evaluation.contenders.contender import Route, Setting, Task
from pvtt.evaluation.contenders.model import VACE
from pvtt.evaluation.contenders.stock import StockPipeline
from pvtt.media.arrays import Video
from pvtt.records.parts import PARTS

GREY = np.uint8(128)  # what VACE is shown in the hole


class Vace(Route):
    """A stock VACE.

    Args:
        pipeline: diffusers' pipeline; None: there is none, but the base may be one.
        base_is_one: Whether it is.
    """

    name = VACE.name

    def __init__(self, pipeline: StockPipeline | None, base_is_one: bool) -> None:
        self._pipeline = pipeline
        self.varies = pipeline is None  # of a stock pipeline there is one film a sample
        self.says = VACE.says
        if pipeline is not None:
            self.sha256 = pipeline.sha256
            self.says = f"a stock VACE with the product's own photos and no training: {pipeline.says}"
        elif not base_is_one:
            reason = "evaluate.routes.vace names no folder of a stock Wan2.1-VACE, and model.base is none"
            self.unmeasured = dict.fromkeys(PARTS, reason)

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        if self._pipeline is None:
            return VACE.videos(tasks, setting)
        return [self._film(task, self._pipeline) for task in tasks]

    def _film(self, task: Task, pipeline: StockPipeline) -> Video:
        from PIL import Image

        from pvtt.models.conditioning.photo_features import CANVAS_BACKGROUND, flatten_photo

        side = min(task.hole.shape[1:])
        photos = [Image.fromarray(flatten_photo(photo, side, CANVAS_BACKGROUND)) for photo in task.photos]
        shown = np.where(task.hole[..., None], GREY, task.template)
        return pipeline.film(
            task,
            video=[Image.fromarray(frame) for frame in shown],
            mask=[Image.fromarray(np.where(frame, 255, 0).astype(np.uint8)).convert("RGB") for frame in task.hole],
            reference_images=photos or None,
        )
