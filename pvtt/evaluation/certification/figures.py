"""Every metric gives the figure that it must on the drawn sample, through the same call as in an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pvtt.evaluation.certification.check import near, require
from pvtt.evaluation.certification.drawn import PAN, RAW_PAN, grain, ground, to_levels
from pvtt.evaluation.contenders.all import CONTENDERS, others
from pvtt.evaluation.measure import measure_sample
from pvtt.evaluation.metrics.all import METRICS
from pvtt.evaluation.metrics.camera import Camera, fit_camera, pan_error, turn_error, zoom_error
from pvtt.evaluation.metrics.metric import Metric, Scene
from pvtt.evaluation.metrics.motion import estimate_motion, flow_warp_error, outside_motion_error
from pvtt.evaluation.metrics.reconstruction import MAX_PSNR
from pvtt.evaluation.metrics.smoothness import cut_errors, cuts, motion_smoothness
from pvtt.evaluation.scores import LEAD
from pvtt.media.arrays import Video

NOISE_LEVELS = (12.0, 40.0, 120.0)  # grey levels from the darkest grain to the brightest


@dataclass(frozen=True)
class Reference:
    """What a metric must give on the drawn sample.

    Args:
        value: From `source`.
        source: The other implementation, or the formula, that it was computed with, as
            `tests/evaluation/test_references.py` does again. `this`: the project's own, which must not change unseen.
        tolerance: OpenCV's flow may differ by as much between processors.
    """

    value: float
    source: str
    tolerance: float = 1e-4


REFERENCES: Mapping[str, Reference] = {
    "psnr": Reference(29.859382, "scikit-image, peak_signal_noise_ratio"),
    "ssim": Reference(0.953124, "scikit-image, structural_similarity", 1e-5),
    "product_psnr": Reference(22.560653, "scikit-image, peak_signal_noise_ratio"),
    "product_ssim": Reference(0.813957, "scikit-image, structural_similarity", 1e-5),
    "lpips": Reference(0.112450, "formula of the probe", 1e-5),
    "product_lpips": Reference(0.511604, "formula of the probe", 1e-5),
    "product_delta_e": Reference(12.243, "this", 0.01),
    "text_distance": Reference(0.8, "this"),
    "seam": Reference(1.613113, "formula, pixel by pixel"),
    "border_gradient": Reference(4.668376, "formula, pixel by pixel"),
    "border_gradient_ground_truth": Reference(2.894017, "formula, pixel by pixel"),
    "relative_flow_warp_error": Reference(3.702, "this", 0.18),
    "flow_warp_error": Reference(0.04441, "this", 0.0022),
    "flow_warp_error_ground_truth": Reference(0.01199, "this", 0.0006),
    "flicker": Reference(11.030844, "formula"),
    "outside_motion_error": Reference(0.783, "this", 0.04),
    "identity_top1": Reference(1.0, "this"),
    "identity_top1_ground_truth": Reference(1.0, "this"),
    "swap_followed": Reference(1.0, "this"),
    "identity_template": Reference(0.0, "this"),
    "clip_i": Reference(0.983327, "formula of the probe", 1e-5),
    "dino": Reference(0.954031, "formula of the probe", 1e-5),
    "r_clip": Reference(0.996401, "formula of the probe", 1e-5),
    "r_dino": Reference(0.988380, "formula of the probe", 1e-5),
    "clip_text": Reference(0.933463, "formula of the probe", 1e-5),
    "clip_consistency": Reference(0.9999696, "formula of the probe", 1e-6),
    "subject_consistency": Reference(0.997650, "formula of the probe", 1e-5),
    "camera_pan_error": Reference(0.609, "this", 0.03),
    "camera_zoom_error": Reference(0.414, "this", 0.03),
    "camera_turn_error": Reference(0.147, "this", 0.02),
    "motion_smoothness": Reference(0.95743, "this", 0.002),
    "cut_errors": Reference(0.0, "formula"),
    "leak_change": Reference(70.052871, "formula"),
    "blank_change": Reference(22.311415, "formula"),
}


# What identical videos give; metrics that compare two contenders, or need more than a video, are not here.
IDENTICAL: Mapping[str, float] = {
    "psnr": MAX_PSNR,
    "ssim": 1.0,
    "product_psnr": MAX_PSNR,
    "product_ssim": 1.0,
    "lpips": 0.0,
    "product_lpips": 0.0,
    "product_delta_e": 0.0,
    "text_distance": 0.0,
    "seam": 1.0,
    "relative_flow_warp_error": 1.0,
    "flicker": 0.0,
    "camera_pan_error": 0.0,
    "camera_zoom_error": 0.0,
    "camera_turn_error": 0.0,
    "cut_errors": 0.0,
    "outside_motion_error": 0.0,
}
# What gets worse with noise, or stronger where neither is better.
NOISY = (
    *(name for name in IDENTICAL if not name.startswith(("camera_", "cut_", "text_"))),
    "flow_warp_error",
    "border_gradient",
    "motion_smoothness",
)


def checks(scene: Scene) -> Iterator[str]:
    """The names of the checks that passed. Raises `PvttError` where one failed."""
    metrics = {metric.name: metric for metric in METRICS}
    for name, metric in metrics.items():
        if name in REFERENCES and metric.measure is not None:
            subject = scene.output if metric.subject is None else scene.others[metric.subject]
            yield _referred(name, metric.measure(scene, subject))
    perfect = _showing(scene, scene.truth)
    for name, expected in IDENTICAL.items():
        value = _measure(metrics[name], perfect)
        yield require(near(value, expected, 1e-5), f"{name} of identical videos is {expected:g}", value)
    values = measure_sample(scene)
    for name in REFERENCES:
        if name not in metrics:
            yield _referred(name, values.get(name))
    yield _of_everyone(scene, values)
    yield _leads(values)
    noisy = [_showing(scene, to_levels(scene.truth + grain(scene.truth.shape, level))) for level in NOISE_LEVELS]
    for name in NOISY:
        yield _monotone(metrics[name], noisy)
    yield _panned()
    yield _uncovered(scene)
    yield _similarities()
    yield _cuts()


def _referred(name: str, value: float | None) -> str:
    reference = REFERENCES[name]
    return require(
        near(value, reference.value, reference.tolerance), f"{name} of the drawn sample is {reference.value:g}", value
    )


def _measure(metric: Metric, scene: Scene) -> float | None:
    assert metric.measure is not None
    return metric.measure(scene, scene.output)


def _showing(scene: Scene, video: Video) -> Scene:
    """The same scene with another output, before and after compositing."""
    return replace(scene, raw=video, output=video, _known={})


def _of_everyone(scene: Scene, values: Mapping[str, float | None]) -> str:
    """Each figure of a sample is of the video that its name says, and all contenders' differ.

    All contenders by one metric, and all metrics of one contender: whose video a figure is of does not depend on both.
    """
    wrong = []
    for metric in METRICS:
        if metric.measure is None:
            continue
        subjects = {metric.name: scene.output if metric.subject is None else scene.others[metric.subject]}
        if metric.of_truth is not None:
            subjects[f"{metric.name}_ground_truth"] = scene.truth
        asked = {one.name for one in others()} if metric.name == LEAD else {CONTENDERS[-1].name}
        for name in (asked if metric.of_contenders else set()) | set(metric.beside):
            subjects[f"{metric.name}_{name}"] = scene.others[name]
        wrong += [name for name, video in subjects.items() if not near(values[name], metric.measure(scene, video))]
    leading = {contender.name: values[f"{LEAD}_{contender.name}"] for contender in others()}
    distinct = len(set(leading.values())) == len(leading)
    return require(not wrong and distinct, "each figure is of the video that its name says", wrong or leading)


def _leads(values: Mapping[str, float | None]) -> str:
    """The model's lead is its own figure less the other's."""
    wrong = {}
    for contender in others():
        own, other, lead = (values[name] for name in (LEAD, f"{LEAD}_{contender.name}", contender.gain))
        if own is None or other is None or not near(lead, own - other):
            wrong[contender.gain] = lead
    return require(not wrong, "a lead is the model's figure less the other's", wrong)


def _monotone(metric: Metric, noisy: Sequence[Scene]) -> str:
    values = [_measure(metric, scene) for scene in noisy]
    known = [value for value in values if value is not None]
    falls = metric.better == "↑"
    ordered = all((first > second) if falls else (first < second) for first, second in pairwise(known))
    direction = "falls" if falls else "rises"
    return require(len(known) == len(values) and ordered, f"{metric.name} {direction} with noise", values)


def _panned() -> str:
    """Two pans of known speeds: the camera error is their difference, and blinking a warp error of its height."""
    slow, fast = ground(PAN), ground(RAW_PAN)
    everywhere = np.ones(slow.shape[:3], np.bool_)
    motion = estimate_motion(slow)
    error = outside_motion_error(fast, motion, everywhere)
    own = flow_warp_error(slow, motion, everywhere)
    steps = slow.astype(np.int16) + 20 * (np.arange(len(slow)) % 2)[:, None, None, None].astype(np.int16)
    blinking = flow_warp_error(to_levels(np.array(steps, np.float64)), motion, everywhere)
    smooth = motion_smoothness(slow, everywhere)
    speed = float(np.median(motion.forward[..., 0]))
    fits = (
        near(error, abs(PAN - RAW_PAN), 0.15)
        and own is not None
        and own < 0.01
        and near(blinking, 20 / 255, 0.01)
        and near(speed, PAN, 0.1)
        and near(smooth, 1.0, 0.004)
    )
    return require(fits, "flow, warp error and camera error of a known pan", (speed, own, blinking, error, smooth))


def _uncovered(scene: Scene) -> str:
    """Flow is not valid where the product is about to cover the ground, nor where the ground leaves the frame."""
    valid = estimate_motion(scene.truth).valid
    share, at_edge, inside = valid.mean(), valid[:, :, :1].mean(), valid[scene.product[:-1]].mean()
    fits = 0.75 < share < 0.99 and at_edge < 0.1 and inside > 0.9
    return require(bool(fits), "flow is valid where it returns", (share, at_edge, inside))


def _similarities() -> str:
    """Flows of known cameras: each axis is found exactly, and is the only one that is off."""
    height, width = 40, 60
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    where = np.zeros((1, height, width), np.bool_)
    where[:, 5:, 9:] = True

    def flow(right: float, down: float, zoom: float, turn: float) -> Camera | None:
        field = np.stack([zoom * x - turn * y + right, zoom * y + turn * x + down], axis=-1)
        return fit_camera(field[None].astype(np.float32), where)

    still, others = flow(1, -2, 0.01, 0.02), (flow(4, 2, 0.01, 0.02), flow(1, -2, 0.03, 0.02), flow(1, -2, 0.01, -0.03))
    found = [
        [0.0] * 3
        if still is None or one is None
        else [error(one, still) for error in (pan_error, zoom_error, turn_error)]
        for one in others
    ]
    expected = [[5.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, math.degrees(0.05)]]
    fits = (
        np.allclose(found, expected, atol=1e-4)
        and fit_camera(np.zeros((1, 4, 4, 2), np.float32), where[:, :4, :4]) is None
    )
    return require(fits, "pan, zoom and turn of known cameras", found)


def _cuts() -> str:
    """A cut that the truth does not have is one wrong cut; a moving camera is none."""
    film, other = ground(PAN), 255 - ground(PAN)
    cut = np.concatenate([film[:3], other[3:]])
    found = cuts(film), cuts(cut), cut_errors(cut, film), cut_errors(film, cut), cut_errors(cut, cut)
    return require(found == ([], [3], 1.0, 1.0, 0.0), "wrong cuts are counted", found)
