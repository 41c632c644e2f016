"""What contenders show is inside the hole, and what they are given has no product in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pvtt.encoding.collage import Collage, HoleShape
from pvtt.evaluation.arrays import to_uint8
from pvtt.evaluation.certification.check import near, require
from pvtt.evaluation.certification.drawn import MARGIN
from pvtt.evaluation.contenders.all import CONTENDERS
from pvtt.evaluation.contenders.contender import (
    DEFAULT_START,
    ConditionedSample,
    Network,
    Sampler,
    Setting,
    Start,
    Task,
)
from pvtt.evaluation.contenders.inpaint import Inpaint
from pvtt.evaluation.contenders.mean_fill import MeanFill
from pvtt.evaluation.contenders.paste import Paste
from pvtt.evaluation.metrics.metric import Scene
from pvtt.evaluation.metrics.reconstruction import psnr
from pvtt.evaluation.videos import mask_video, masked_video
from pvtt.generation.composite import composite
from pvtt.media.arrays import Region, Video
from pvtt.media.inpaint import inpaint

MEAN = np.array([200, 30, 90], np.uint8)
FILL = -0.2  # of the hole, in [-1, 1]: 102 of 255


def checks(scene: Scene) -> Iterator[str]:
    """The names of the checks that passed. Raises `PvttError` where one failed."""
    yield _outside_is_the_templates(scene)
    yield _inside_is_the_models(scene)
    yield _the_seam_is_closed(scene)
    yield _no_product_is_given(scene)
    yield _without_learning(scene)
    yield _by_networks(scene)
    yield _levels()


def _outside_is_the_templates(scene: Scene) -> str:
    outside = bool((scene.output == scene.template)[~scene.hole].all())
    everywhere = composite(scene.raw, scene.template, np.ones_like(scene.hole))
    whole = bool((everywhere == scene.raw).all())
    return require(outside and whole, "outside the hole the template's own pixels are kept", (outside, whole))


def _inside_is_the_models(scene: Scene) -> str:
    """Without matched colours the middle is the model's to the bit; what is outside the hole is not the model's."""
    plain = composite(scene.raw, scene.template, scene.hole, match_colours=False)
    middle = _inner(scene.hole, MARGIN)
    same = bool((plain == scene.raw)[middle].all())
    feathered = plain[scene.hole & ~middle].astype(int)
    between = np.minimum(scene.raw, scene.template).astype(int), np.maximum(scene.raw, scene.template).astype(int)
    blends = bool(
        (
            (feathered >= between[0][scene.hole & ~middle] - 1) & (feathered <= between[1][scene.hole & ~middle] + 1)
        ).all()
    )
    share = float((plain != scene.raw)[scene.hole & ~middle].mean())
    return require(same and blends and share > 0.2, "inside the hole are the model's own pixels", (same, blends, share))


def _the_seam_is_closed(scene: Scene) -> str:
    """A model that is off by one colour everywhere is brought back at the border, and less in the middle."""
    shifted = np.clip(scene.truth.astype(int) + np.array([14, -11, 20]), 0, 255).astype(np.uint8)
    border, middle = scene.hole & ~_inner(scene.hole, 1), _inner(scene.hole, 10)
    matched = composite(shifted, scene.truth, scene.hole, feather=0)
    left = np.abs(matched.astype(int) - scene.truth)
    off = float(left[border].mean()), float(left[middle].mean())
    return require(off[0] < 5 < off[1], "colours are matched at the hole's border", off)


def _no_product_is_given(scene: Scene) -> str:
    given, mask = masked_video(scene.template, scene.hole, FILL), mask_video(scene.hole)
    level = bool((given[scene.hole] == round((FILL + 1) * 127.5)).all())
    around = bool((given == scene.template)[~scene.hole].all())
    white = bool(((mask == 255).all(-1) == scene.hole).all() and ((mask == 0).all(-1) == ~scene.hole).all())
    return require(level and around and white, "the hole is empty in what contenders are given", (level, around, white))


def _without_learning(scene: Scene) -> str:
    """Mean fill, inpainting and paste show what they say, inside the hole, and nothing of the truth."""
    given = masked_video(scene.template, scene.hole, FILL)
    inpainted = inpaint(given, scene.hole)
    layer = np.zeros((*scene.hole.shape, 4), np.float32)
    layer[scene.product] = (50, 100, 150, 1)
    layer[:, 0, 0] = (20, 40, 60, 0.5)
    task = _task(scene, given, inpainted, Collage(layer))
    setting = Setting(_Asked(), MEAN, HoleShape("box", 0.0))
    (filled,), (empty,), (pasted,) = (one.videos([task], setting) for one in (MeanFill(), Inpaint(), Paste()))
    found = {
        "mean_fill": filled is not None
        and _is(filled, scene.hole, MEAN)
        and _same(filled, scene.template, ~scene.hole),
        "inpaint": empty is not None and _same(empty, scene.template, ~scene.hole) and _is_no_product(empty, scene),
        "paste": pasted is not None and _is(pasted, scene.product, np.array([50, 100, 150], np.uint8)),
        "half": pasted is not None and near(float(pasted[0, 0, 0, 0]), 20 + inpainted[0, 0, 0, 0] / 2, 0.51),
        "cut": not Collage(layer).inside(scene.hole).layer[~scene.hole].any(),
        "kept": bool((Collage(layer).inside(scene.hole).region == scene.product).all()),
    }
    return require(all(found.values()), "contenders without learning show what they say", found)


def _task(scene: Scene, template: Video, inpainted: Video, collage: Collage, partner: str | None = "other's") -> Task:
    return Task(
        key=f"TRUE001_{partner}",
        template=template,
        hole=scene.hole,
        photos=scene.photos,
        conditions=f"own, beside {partner}",
        partner=partner,
        inpainted=inpainted,
        collage=collage,
    )


class _Asked(Sampler):
    """Keeps what contenders ask for, and gives a video for each sample."""

    base_swaps = True
    drafts = True

    def __init__(self) -> None:
        self.asked: list[tuple[Network | None, list[str], list[str] | None]] = []

    @property
    def networks(self) -> frozenset[Network]:
        return frozenset({"model", "champion", "base"})

    def videos(
        self,
        samples: Sequence[ConditionedSample],
        products: Sequence[ConditionedSample] | None,
        *,
        network: Network,
        start: Start = DEFAULT_START,
    ) -> list[Video]:
        self.asked.append((network, list(samples), None if products is None else list(products)))
        return [np.full((1, 1, 1, 3), index, np.uint8) for index in range(len(samples))]

    def reconstructions(self, samples: Sequence[ConditionedSample]) -> list[Video]:
        self.asked.append((None, list(samples), None))
        return [np.zeros((1, 1, 1, 3), np.uint8) for _ in samples]


def _by_networks(scene: Scene) -> str:
    """Each contender samples from its own network, with the photos that its name says."""
    collage = Collage(np.zeros((*scene.hole.shape, 4), np.float32))
    tasks = [_task(scene, scene.template, scene.template, collage, partner) for partner in (None, "other's")]
    own, beside = [task.conditions for task in tasks], [tasks[1].conditions]
    expected = {
        "generated": ("model", own, own),
        "swapped": ("model", beside, ["other's"]),
        "blank": ("model", own, None),
        "champion": ("champion", own, own),
        "redrawn": ("base", own, own),
        "untrained": ("base", own, None),
        "vace": ("base", own, own),
        "ceiling": (None, own, None),
    }
    found: dict[str, object] = {}
    numbers: dict[str, list[bool]] = {}
    for contender in CONTENDERS:
        if contender.name in expected:
            sampler = _Asked()
            made = contender.videos(tasks, Setting(sampler, MEAN, HoleShape("box", 0.0)))
            (found[contender.name],) = sampler.asked
            numbers[contender.name] = [video is not None for video in made]
    all_made = {name: [name != "swapped", True] for name in expected}
    return require(
        found == expected and numbers == all_made, "contenders sample with their own photos", (found, numbers)
    )


def _is(video: Video, region: Region, colour: Video) -> bool:
    return bool((video[region] == colour).all())


def _same(video: Video, other: Video, region: Region) -> bool:
    return bool((video == other)[region].all())


def _is_no_product(video: Video, scene: Scene) -> bool:
    """The hole is nearer to neither product than to its surroundings, and not the flat fill."""
    to_truth, to_template = psnr(video, scene.truth, scene.product), psnr(video, scene.template, scene.product)
    flat = float(video[scene.product].std()) < 1
    return to_truth is not None and to_template is not None and max(to_truth, to_template) < 20 and not flat


def _levels() -> str:
    levels = to_uint8(np.array([-1.5, -1, -0.5, 0, 0.5, 1, 1.5])).tolist()
    return require(levels == [0, 0, 64, 128, 191, 255, 255], "a model's -1 to 1 are 0 to 255", levels)


def _inner(region: Region, pixels: int) -> Region:
    import cv2

    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.stack([cv2.erode(frame.astype(np.uint8), kernel) > 0 for frame in region])
