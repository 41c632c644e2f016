"""One colour for all products: what the mask alone gives away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pvtt.evaluation.contenders.contender import Contender, Setting, Task
from pvtt.media.arrays import Video


class MeanFill(Contender):
    """The hole in the mean colour of the training products."""

    name = "mean_fill"
    says = "the hole in the training products' mean colour: what the mask gives away"

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [np.where(task.hole[..., None], setting.mean_colour, task.template) for task in tasks]
