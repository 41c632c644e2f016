"""Route D of the research plan: one branch for the template's motion, another for the product's look.

DreamVideo (arXiv:2312.04433) learns both branches for each subject. Here nothing is learned for it: the motion is the
template's optical flow, along which the starting noise moves (`pvtt.models.moved_noise`), and the look comes from the
photos by the model's own parts. A model trained on such noise may be given; without one it is the evaluated model,
which was not.
"""

from __future__ import annotations

from collections.abc import Sequence

from pvtt.evaluation.contenders.contender import Network, Route, Setting, Start, Task
from pvtt.media.arrays import Video


class TwoBranch(Route):
    """A model that starts from moving noise.

    Args:
        sha256: Of a model of its own; None: the evaluated one.
    """

    name = "two_branch"
    must_be_beaten = False
    varies = True

    def __init__(self, sha256: str | None) -> None:
        self.sha256 = sha256
        self._network: Network = "model" if sha256 is None else "two_branch"
        whose = "the evaluated model, not trained for it" if sha256 is None else "a model of its own"
        self.says = (
            f"noise that moves along the template's optical flow, the look from the photos: {whose}, from noise alone "
            "(route D)"
        )

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        moving = {task.key: (task.conditions, task.motion.back) for task in tasks if task.motion is not None}
        if not moving:
            return [None] * len(tasks)
        samples, flows = [one for one, _ in moving.values()], [flow for _, flow in moving.values()]
        made = setting.sampler.videos(samples, samples, network=self._network, start=Start(drafted=False, flows=flows))
        by_key = dict(zip(moving, made, strict=True))
        return [by_key.get(task.key) for task in tasks]
