"""Damage where a metric looks must make it worse, and damage where it does not look must not change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from pvtt.evaluation.certification.check import near, require
from pvtt.evaluation.metrics.all import METRICS
from pvtt.evaluation.metrics.metric import Metric, Scene
from pvtt.media.arrays import Region, Video

Place: TypeAlias = Literal["product", "frame", "border", "outside"]
FAR = 9  # pixels: windows of SSIM, crops and flow see less far
LEAST = 0.005  # of its own value that a metric must change by


@dataclass(frozen=True)
class Looks:
    """Where a metric looks.

    Args:
        place: `product`: its region; `frame`: everywhere; `border`: the hole's; `outside`: around the hole, before
            compositing.
        reach: Pixels beyond it that the metric may still depend on.
        blinks: Damage in every other frame is enough; else it is in all.
        leak: Share of its own change that damage elsewhere may make: flow that is the output's own sees further.
        better: Which way is better, where the metric itself does not say so of damage.
    """

    place: Place
    reach: int = FAR
    leak: float = 0.0
    blinks: bool = True
    better: Literal["↑", "↓", "either", ""] = ""


LOOKS: Mapping[str, Looks] = {
    "psnr": Looks("frame"),
    "ssim": Looks("frame"),
    "product_psnr": Looks("product", reach=0),
    "product_ssim": Looks("product"),
    "lpips": Looks("frame"),
    "product_lpips": Looks("product", reach=0),
    "product_delta_e": Looks("product", reach=0),
    "seam": Looks("border", reach=1),
    "border_gradient": Looks("border", reach=1, better="↓"),
    "relative_flow_warp_error": Looks("product"),
    "flow_warp_error": Looks("product"),
    "flicker": Looks("product", reach=0),
    "outside_motion_error": Looks("outside"),
    "camera_pan_error": Looks("outside"),
    "camera_zoom_error": Looks("outside"),
    "camera_turn_error": Looks("outside"),
    "motion_smoothness": Looks("product", leak=0.3),
    "cut_errors": Looks("frame"),
    "r_clip": Looks("product", reach=0),
    "r_dino": Looks("product", reach=0),
    "clip_text": Looks("frame", better="either"),
    "clip_consistency": Looks("frame"),
    "subject_consistency": Looks("product"),
    "identity_top1": Looks("product", reach=0),
    "swap_followed": Looks("product", reach=0),
    "identity_template": Looks("product", reach=0),
    "clip_i": Looks("product"),
    "dino": Looks("product"),
    "text_distance": Looks("product", blinks=False),
    "leak_change": Looks("product", reach=0, better="either"),
    "blank_change": Looks("product", reach=0, better="either"),
}


def checks(scene: Scene) -> Iterator[str]:
    """The names of the checks that passed. Raises `PvttError` where one failed."""
    for metric in METRICS:
        if metric.name in LOOKS:
            yield _of_metric(metric, LOOKS[metric.name], scene)


def _of_metric(metric: Metric, looks: Looks, scene: Scene) -> str:
    where, elsewhere = _places(looks, scene)
    before = _measure(metric, looks, scene, None)
    inside = _measure(metric, looks, scene, where)
    outside = before if not elsewhere.any() else _measure(metric, looks, scene, elsewhere)
    check = f"{metric.name} looks at the {looks.place}"
    if before is None or inside is None or outside is None:
        return require(False, check, (before, inside, outside))
    if metric.chance:  # 0 or 1 on one sample: the damaged product must be taken for another
        return require(inside != before and outside == before, check, (before, inside, outside))
    better = looks.better or metric.better
    worse = {"↑": before - inside, "↓": inside - before, "either": abs(inside - before)}[better]
    spared = near(outside, before, max(1e-6, looks.leak * worse))
    return require(worse > LEAST * abs(before) and spared, check, (before, inside, outside))


def _measure(metric: Metric, looks: Looks, scene: Scene, damaged: Region | None) -> float | None:
    """On a video whose damaged pixels blink from themselves to their negative; for a choice, are exchanged."""
    assert metric.measure is not None
    subject = scene.output if metric.subject is None else scene.others[metric.subject]
    if damaged is None:
        return metric.measure(replace(scene, _known={}), subject)
    odd = (np.arange(len(subject)) % 2 == 1)[:, None, None]
    shown = damaged & (odd | (not looks.blinks) | metric.chance)
    output = _damage(subject, shown, scene, metric.chance)
    given = replace(scene, raw=_damage(scene.raw, shown, scene, metric.chance), _known={})
    return metric.measure(given, output)


def _damage(video: Video, damaged: Region, scene: Scene, exchanged: bool) -> Video:
    if exchanged:  # the product is the template's, and what is around it anything
        other = np.where(scene.product[..., None], scene.template, 255 - video)
        return np.where(damaged[..., None], other, video)
    return np.where(damaged[..., None], 255 - video, video)


def _places(looks: Looks, scene: Scene) -> tuple[Region, Region]:
    """Where damage must be seen, and where it must not."""
    hole, product = scene.hole, scene.product
    if looks.place == "frame":
        return np.ones_like(hole), np.zeros_like(hole)
    if looks.place == "border":
        ring = _grown(hole, looks.reach) & ~_shrunk(hole, looks.reach)
        return hole & ring, ~ring
    if looks.place == "outside":
        return ~hole, np.zeros_like(hole)
    return product, ~_grown(product, looks.reach)


def _grown(region: Region, pixels: int) -> Region:
    import cv2

    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.stack([cv2.dilate(frame.astype(np.uint8), kernel) > 0 for frame in region])


def _shrunk(region: Region, pixels: int) -> Region:
    return ~_grown(~region, pixels)
