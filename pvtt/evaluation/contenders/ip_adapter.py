"""Route C of the research plan: photos enter as tokens alone, as IP-Adapter (arXiv:2308.06721) adds them to a model.

The part `product_tokens` is this project's, and a model with it and `mask_channels` has to be trained first.
"""

from __future__ import annotations

from collections.abc import Sequence

from pvtt.evaluation.contenders.contender import Route, Setting, Start, Task
from pvtt.media.arrays import Video
from pvtt.records.parts import PARTS

CONDITIONING = ("mask_channels", "product_tokens")


class IpAdapter(Route):
    """A trained model that sees the photos as tokens.

    Args:
        sha256: Of the model; None: there is none.
    """

    name = "ip_adapter"
    says = "a model that is given the photos as tokens alone, from noise alone: no draft, no pasted photo (route C)"
    must_be_beaten = False
    varies = True

    def __init__(self, sha256: str | None) -> None:
        self.sha256 = sha256
        if sha256 is None:
            reason = f"evaluate.routes.ip_adapter names no folder of a model trained with {', '.join(CONDITIONING)}"
            self.unmeasured = dict.fromkeys(PARTS, reason)

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        if self.sha256 is None:
            return [None] * len(tasks)
        samples = [task.conditions for task in tasks]
        return list(setting.sampler.videos(samples, samples, network="ip_adapter", start=Start(drafted=False)))
