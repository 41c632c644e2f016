"""OpenCV's inpainting: the template without any product."""

from __future__ import annotations

from collections.abc import Sequence

from pvtt.evaluation.contenders.contender import Contender, Setting, Task
from pvtt.media.arrays import Video


class Inpaint(Contender):
    """The hole filled from its edge inwards, frame by frame."""

    name = "inpaint"
    says = "the hole filled from its surroundings, no learning: the template without a product"

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [task.inpainted for task in tasks]
