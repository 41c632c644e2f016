"""A photo pasted into the hole: what scissors can do, without any learning."""

from __future__ import annotations

from collections.abc import Sequence

from pvtt.encoding.collage import HoleShape, collage
from pvtt.evaluation.contenders.contender import Contender, Setting, Task
from pvtt.media.arrays import Region, Rgba, Video
from pvtt.media.inpaint import inpaint


class Paste(Contender):
    """The photo that fits the hole best, cut out and pasted in."""

    name = "paste"
    says = "the photo that fits the hole best, cut out and pasted in, no learning: what scissors can do"

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [paste(task.template, task.hole, task.photos, setting.hole) for task in tasks]


def paste(template: Video, hole: Region, photos: Sequence[Rgba], shape: HoleShape) -> Video:
    """The collage over the inpainted template, (F, H, W, 3); without any hole or photo nothing is pasted.

    Args:
        template: What is in the hole is not looked at, (F, H, W, 3).
        hole: (F, H, W).
        photos: (S, S, 4) each, background removed.
        shape: How the hole was made.
    """
    return collage(template, hole, photos, shape).over(inpaint(template, hole))
