"""A photo pasted into the hole: what scissors can do, without any learning."""

from __future__ import annotations

from collections.abc import Sequence

from pvtt.evaluation.contenders.contender import Contender, Setting, Task
from pvtt.media.arrays import Video


class Paste(Contender):
    """The photo that fits the hole best, over the inpainted template; without any hole or photo nothing is pasted."""

    name = "paste"
    says = "the photo that fits the hole best, cut out and pasted in, no learning: what scissors can do"

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [task.collage.over(task.inpainted) for task in tasks]
