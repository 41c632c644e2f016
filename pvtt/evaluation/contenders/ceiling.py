"""The true video, encoded and decoded: what no model of this base can exceed."""

from __future__ import annotations

from collections.abc import Sequence

from pvtt.evaluation.contenders.contender import Contender, Setting, Task
from pvtt.media.arrays import Video


class Ceiling(Contender):
    """The ground truth through the base's VAE."""

    name = "ceiling"
    says = "the true video through the VAE: no model of this base can do better"
    must_be_beaten = False
    is_bound = True

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return list(setting.sampler.reconstructions([task.conditions for task in tasks]))
