"""What a contender is, what it is given, and what it must give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from pvtt.encoding.collage import Collage, HoleShape
from pvtt.media.arrays import Region, Rgba, Video

if TYPE_CHECKING:  # what the model's videos do not depend on
    from pvtt.evaluation.contenders.motion import TemplateMotion
    from pvtt.media.flow import FlowFields
    from pvtt.records.evaluation import FilmSource
    from pvtt.records.parts import Part

Network: TypeAlias = Literal["model", "champion", "base", "ip_adapter", "two_branch"]
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
        caption: What the video shows, in words; empty where no one has said it.
        motion: How the template's own product moves; None where it is not known.
    """

    key: str
    template: Video
    hole: Region
    photos: Sequence[Rgba]
    conditions: ConditionedSample
    partner: ConditionedSample | None
    inpainted: Video
    collage: Collage
    caption: str = ""
    motion: TemplateMotion | None = None


@dataclass(frozen=True)
class Start:
    """What a network's sampling starts from.

    Args:
        drafted: From a draft, where the sampler has one; False: always from noise alone.
        flows: Of each sample, from each frame but the first to the one before, (F-1, H, W, 2): its noise moves along
            them. None: noise stands still.
    """

    drafted: bool = True
    flows: Sequence[FlowFields] | None = None


DEFAULT_START = Start()


class Sampler(Protocol):
    """Generates with a network.

    Attributes:
        networks: Those that there are; a champion only where training continued it, a route's where it has a folder.
        base_swaps: The base, a VACE, puts products into videos without any training.
        drafts: Sampling with photos starts from a draft.
    """

    base_swaps: bool
    drafts: bool

    @property
    def networks(self) -> frozenset[Network]: ...

    def videos(
        self,
        samples: Sequence[ConditionedSample],
        products: Sequence[ConditionedSample] | None,
        *,
        network: Network,
        start: Start = DEFAULT_START,
    ) -> list[Video]:
        """One video, before compositing, for each sample.

        Args:
            samples: The samples to generate videos for.
            products: Whose photos each gets; None: no photos.
            network: The model that is evaluated, the champion, the base with new parts, which have no effect, or a
                route's own.
            start: What sampling starts from.
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
    varies: bool = False  # other noise gives other videos
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


class Route(Contender, Protocol):
    """A contender that runs only where `evaluate.routes` asks for it, and that may need what is not on this machine.

    It stands in every table then, measured or not.
    """

    must_be_beaten: bool = True
    unmeasured: Mapping[Part, str] = {}  # why it makes no video of a part
    faults: Sequence[str] = ()  # what is wrong with the films that it was given, one by one
    sources: Sequence[FilmSource] = ()  # where these come from
    sha256: str | None = None  # of the folder that it was made from
