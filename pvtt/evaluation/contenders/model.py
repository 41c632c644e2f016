"""The contenders that sample from a network: the model, the same without its product's photos, the champion that its
training continued, and its base.

A sample's noise depends on the seed and its name alone, so all start alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pvtt.evaluation.contenders.contender import Contender, Network, Setting, Task
from pvtt.media.arrays import Video


@dataclass(frozen=True)
class Sampled(Contender):
    """Videos sampled from a network.

    Args:
        name: As `Contender`.
        says: As `Contender`.
        photos: Whose it is given.
        network: Which one.
        base_must_swap: It makes videos only where the base is a VACE, which swaps products without training.
        needs_draft: It makes videos only where sampling starts from a draft.
        optional: As `Contender`.
        must_be_beaten: As `Contender`.
        varies: As `Contender`.
    """

    name: str
    says: str
    photos: Literal["own", "another's", "none"] = "own"
    network: Network = "model"
    base_must_swap: bool = False
    needs_draft: bool = False
    optional: bool = False
    must_be_beaten: bool = True
    varies: bool = True

    @property
    def gain(self) -> str:
        return "swap_gain" if self.photos == "another's" else super().gain  # a criterion of the decision has this name

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        sampler = setting.sampler
        can = self.network in sampler.networks and (sampler.base_swaps or not self.base_must_swap)
        if not can or (self.needs_draft and not sampler.drafts):
            return [None] * len(tasks)
        samples = {task.key: task.conditions for task in tasks}
        products = None if self.photos == "none" else list(samples.values())
        if self.photos == "another's":
            partners = {task.key: task.partner for task in tasks if task.partner is not None}
            samples = {key: samples[key] for key in partners}
            products = list(partners.values())
        if not samples:
            return [None] * len(tasks)
        made = sampler.videos(list(samples.values()), products, network=self.network)
        by_key = dict(zip(samples, made, strict=True))
        return [by_key.get(task.key) for task in tasks]


MODEL = Sampled("generated", "the trained model with the product's own photos")
SWAPPED = Sampled("swapped", "the model with another product's photos: whether the photos matter", photos="another's")
BLANK = Sampled(
    "blank", "the model without photos: what the surroundings give away", photos="none", must_be_beaten=False
)
CHAMPION = Sampled(
    "champion",
    "the model that training continued, with the product's own photos: what continuing has brought",
    network="champion",
    optional=True,
    must_be_beaten=False,
)
VACE = Sampled(
    "vace",
    "the base, a VACE, with the product's own photos and no training",
    network="base",
    base_must_swap=True,
    optional=True,
)
REDRAWN = Sampled(
    "redrawn",
    "the base, untrained, from the same draft: what pasting a photo and adding noise bring by themselves",
    network="base",
    needs_draft=True,
    optional=True,
)
UNTRAINED = Sampled(
    "untrained", "the base with new parts, without photos: what training has brought", photos="none", network="base"
)
