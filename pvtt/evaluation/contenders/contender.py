"""What a contender is, what it is given, and what it must give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from pvtt.encoding.collage import Collage, HoleShape
from pvtt.media.arrays import Region, Rgba, Video

Network: TypeAlias = Literal["model", "champion", "base"]
ConditionedSample: TypeAlias = Any  # `pvtt.evaluation.generate`'s: saying what a contender is needs no torch


@dataclass(frozen=True)
class Task:
    """One sample as a contender sees it: what a user would have, and nothing of the true product.

    Args:
        key: The sample's key, `<product_id>_<clip_id>`.
        template: The template with a flat colour in the hole, (F, H, W, 3).
        hole: Where to generate, (F, H, W).
        photos: The product's, (S, S, 4) RGBA each, background removed.
        conditions: The same, encoded for the model.
        partner: Those of another product of the split; None where it has no other.
        inpainted: The template, its hole filled from around it, (F, H, W, 3).
        collage: The photo that fits the hole best, cut out and in its place.
    """

    key: str
    template: Video
    hole: Region
    photos: Sequence[Rgba]
    conditions: ConditionedSample
    partner: ConditionedSample | None
    inpainted: Video
    collage: Collage


class Sampler(Protocol):
    """Generates with a network.

    Attributes:
        networks: Those that there are; a champion only where training continued it.
        base_swaps: The base, a VACE, puts products into videos without any training.
        drafts: Sampling with photos starts from a draft.
    """

    base_swaps: bool
    drafts: bool

    @property
    def networks(self) -> frozenset[Network]: ...

    def videos(
        self, samples: Sequence[ConditionedSample], products: Sequence[ConditionedSample] | None, *, network: Network
    ) -> list[Video]:
        """One video, before compositing, for each sample.

        Args:
            samples: The samples to generate videos for.
            products: Whose photos each gets; None: no photos.
            network: The model that is evaluated, the champion, or the base with new parts, which have no effect.
        """
        ...

    def reconstructions(self, samples: Sequence[ConditionedSample]) -> list[Video]:
        """The true videos of these samples through the VAE, before compositing."""
        ...


@dataclass(frozen=True)
class Setting:
    """What contenders share.

    Args:
        sampler: Generates with the networks.
        mean_colour: Of the evaluated training products, (3,): what someone knows of a product who has seen only others.
        hole: How holes were made.
    """

    sampler: Sampler
    mean_colour: npt.NDArray[np.uint8]
    hole: HoleShape


class Contender(Protocol):
    """Makes videos that are measured beside the model's, in every table.

    A subclass gives `name`, `says` and `videos`. Its metrics are called `product_psnr_<name>` and so on, the model's
    lead over it `<name>_gain`.
    """

    name: str
    says: str  # what it is and what it shows: one plain line for people
    must_be_beaten: bool = True  # the model's lead over it must lie above 0 with its whole interval
    optional: bool = False  # where it makes no video at all, tables leave it out
    is_bound: bool = False  # it knows the truth: it says what can be reached, and beats no one

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name.replace("_", " ")

    @property
    def gain(self) -> str:
        """The metric of the model's lead over it."""
        return f"{self.name}_gain"

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        """One video, (F, H, W, 3), for each task; None where there can be none.

        Only what it makes inside the hole counts: outside, the template's own pixels are put back.
        """
        ...
