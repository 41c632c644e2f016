"""What a metric is: one record that says what it is called, what it means and how it is judged and measured.

Everything that shows, summarises or holds a metric against a target follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame, Region, Rgba, Video
from pvtt.records.dataset import Track

if TYPE_CHECKING:
    from torch import Tensor

ResultT = TypeVar("ResultT")

Better = Literal["↑", "↓", ""]
Target = Literal["params", "chance", "zero"]
Group = Literal[
    "Fidelity to the ground truth",
    "The product's region",
    "Motion",
    "Is it that product?",
    "Does it use the photos?",
    "By VBench",
    "The model's lead over other contenders",
    "The other contenders",
]


@dataclass(frozen=True)
class Appearance:
    """What a product looks like, as one vector; Euclidean distances compare two."""

    vector: npt.NDArray[np.float64]


class VideoDistance(Protocol):
    """A perceptual distance of two videos, over the frame or over a region."""

    def __call__(self, video: Video, truth: Video, region: Region | None = None, /) -> float | None: ...


class Embedder(Protocol):
    """(N, D) unit vectors of N images, (H, W, 3) uint8 RGB each."""

    def __call__(self, images: Sequence[Frame], /) -> Tensor: ...


@dataclass(frozen=True)
class Networks:
    """The measuring networks that are there. None: not measured.

    Args:
        lpips: The perceptual distance of two videos.
        clip: CLIP's embedding of images.
        dino: DINOv2's embedding of images.
        fvd: (N, D) features of N videos.
        clip_text: CLIP's embedding of a text, (D,).
        reader: What is written in a frame.
    """

    lpips: VideoDistance | None = None
    clip: Embedder | None = None
    dino: Embedder | None = None
    fvd: Callable[[Sequence[Video]], npt.NDArray[np.float64]] | None = None
    clip_text: Callable[[str], Tensor] | None = None
    reader: Callable[[Frame], str] | None = None


@dataclass(frozen=True)
class Scene:
    """One sample as metrics see it.

    Args:
        truth: Ground truth, (F, H, W, 3).
        template: What was given of it outside the hole, (F, H, W, 3): the truth itself but in a transfer.
        product: Where the product is in it, (F, H, W).
        hole: What was to be generated, (F, H, W).
        raw: The model's output before compositing, (F, H, W, 3).
        output: The model's output after compositing, (F, H, W, 3).
        others: The other contenders' outputs, by name; one that could make none is missing.
        product_id: Whose sample it is.
        partner_id: Whose photos the contender `swapped` saw.
        template_id: In a transfer, whose place the product takes; None otherwise.
        gallery: The split's products, as their photos show them.
        photos: Photos of the product that the sample is about.
        networks: Those that are there.
        caption: What the video shows, in words; empty where no one has said it.
    """

    truth: Video
    template: Video
    product: Region
    hole: Region
    raw: Video
    output: Video
    others: Mapping[str, Video]
    product_id: str
    partner_id: str | None
    template_id: str | None
    gallery: Mapping[str, Appearance]
    photos: Sequence[Rgba]
    networks: Networks
    caption: str = ""
    _known: dict[Hashable, object] = field(default_factory=dict, repr=False, compare=False)

    def once(self, work: Callable[[Scene], ResultT]) -> ResultT:
        """The result of `work`, which several metrics share, computed once a scene."""
        if work not in self._known:
            self._known[work] = work(self)
        return self._known[work]  # type: ignore[return-value]


Measure: TypeAlias = Callable[[Scene, Video], float | None]
Values: TypeAlias = Mapping[str, float | None]  # metric → value; None: not measured


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        name: Its key in `metrics/evaluate.json`.
        label: What people read in tables and plots.
        says: What it means, in one line.
        group: Where tables show it.
        unit: Empty where it has none.
        better: `↑`, `↓`, or empty where neither is.
        measure: From a scene and the video that is judged; None: the video does not show it, or the metric is not
            measured a sample at a time.
        subject: Whose video: a contender's name, `ground_truth`, or None for the model's output.
        difference: Two metrics whose difference a sample's value is, in place of `measure`.
        target: What it is held against: `params` (`evaluate.targets` of its name), what guessing reaches, or zero. The
            latter two must be passed with the whole interval.
        chance: A sample's value is 0 or 1, the mean a share; guessing reaches one in as many products as the split has.
        weight: Of a sample in the mean, from its values: with ratios a/b as values and b as weights, the mean is the
            ratio of the sums, which is steadier than the mean of the ratios. None: all alike.
        of_truth: Also measured on the ground truth itself, with what that says. None: not.
        of_contenders: Also measured on every other contender.
        beside: Names of contenders that it is measured on where it is not on all: its floor and its ceiling.
        optional: Its contender is: left out where that makes no video at all.
        ranks: A contender that does better in it beats the model; needs `of_contenders`.
        of_track: Measured in this track only; None: in both.
    """

    name: str
    label: str
    says: str
    group: Group
    unit: str = ""
    better: Better = ""
    measure: Measure | None = None
    subject: str | None = None
    difference: tuple[str, str] | None = None
    target: Target | None = None
    chance: bool = False
    weight: Callable[[Values], float] | None = None
    of_truth: str | None = None
    of_contenders: bool = False
    beside: tuple[str, ...] = ()
    optional: bool = False
    ranks: bool = False
    of_track: Track | None = None
