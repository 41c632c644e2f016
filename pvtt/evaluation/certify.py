"""The evaluator tests itself before it tests a model, on a small drawn clip with a known answer.

A library update that reverses a sign or a mask shows here, before it shows in a decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from pvtt.errors import PvttError
from pvtt.evaluation.metrics import colour, identity, motion, reconstruction
from pvtt.evaluation.metrics.fvd import frechet_distance
from pvtt.evaluation.metrics.metric import VideoDistance
from pvtt.media.arrays import Region, Video

NOISE_LEVELS = (0.0, 8.0, 24.0, 64.0)  # standard deviations in grey levels
SIZE = (64, 96)
NUM_FRAMES = 5

Measure = Callable[[Video, Video, Region], float | None]


def certify(lpips: VideoDistance | None = None) -> tuple[str, ...]:
    """Run all checks.

    Args:
        lpips: Checked too where it is there.

    Returns:
        The names of the checks that passed: all of them.

    Raises:
        PvttError: One failed; says which and with what figures.
    """
    truth, region = _clip()
    passed = [
        _identical("psnr", lambda v, t, r: reconstruction.psnr(v, t), math.inf),
        _identical("product_psnr", reconstruction.psnr, math.inf),
        _identical("ssim", lambda v, t, r: reconstruction.ssim(v, t), 1.0),
        _identical("flicker", motion.flicker, 0.0),
        _identical("product_delta_e", colour.product_delta_e, 0.0),
        _monotone("psnr", lambda v, t, r: reconstruction.psnr(v, t), rising=False),
        _monotone("product_psnr", reconstruction.psnr, rising=False),
        _monotone("ssim", lambda v, t, r: reconstruction.ssim(v, t), rising=False),
        _monotone("flicker", motion.flicker, rising=True),
        _monotone("flow_warp_error", _warp_error, rising=True),
        _region_is_the_product(truth, region),
        _identity_separates(truth, region),
        _frechet(),
    ]
    if lpips is not None:
        passed += [
            _identical("lpips", lambda v, t, r: lpips(v, t), 0.0),
            _monotone("lpips", lambda v, t, r: lpips(v, t), rising=True),
        ]
    return tuple(passed)


def _clip() -> tuple[Video, Region]:
    """A red box with stripes moving over a shaded ground, and where it is."""
    height, width = SIZE
    video = np.zeros((NUM_FRAMES, height, width, 3), np.uint8)
    region = np.zeros((NUM_FRAMES, height, width), np.bool_)
    ground = np.linspace(40, 200, width)[None, :] + 20 * np.sin(np.arange(height) / 3)[:, None]
    for index in range(NUM_FRAMES):
        video[index] = ground[..., None].clip(0, 255)
        left = 24 + 2 * index
        region[index, 16:48, left : left + 36] = True
        stripes = (np.arange(36) // 6) % 2
        video[index, 16:48, left : left + 36] = np.where(stripes[None, :, None], (210, 40, 30), (240, 220, 60))
    return video, region


def _noisy(video: Video, level: float) -> Video:
    noise = np.random.default_rng(0).normal(size=video.shape)
    noisy: Video = np.clip(np.rint(video + level * noise), 0, 255).astype(np.uint8)
    return noisy


def _warp_error(video: Video, truth: Video, region: Region) -> float | None:
    return motion.flow_warp_error(video, motion.estimate_motion(truth), region)


def _require(condition: bool, check: str, figures: object) -> str:
    if not condition:
        raise PvttError(
            f"the evaluator does not pass its own check `{check}`: {figures}",
            "no score can be trusted: install the versions of requirements.lock, or report this with your versions",
        )
    return check


def _identical(name: str, measure: Measure, expected: float) -> str:
    truth, region = _clip()
    value = measure(truth, truth, region)
    near = value is not None and (value == expected or abs(value - expected) < 1e-5)
    return _require(near, f"{name} of identical videos is {expected:g}", value)


def _monotone(name: str, measure: Measure, rising: bool) -> str:
    truth, region = _clip()
    values = [measure(_noisy(truth, level), truth, region) for level in NOISE_LEVELS]
    known = [value for value in values if value is not None]
    ordered = all((first < second) if rising else (first > second) for first, second in pairwise(known))
    direction = "rises" if rising else "falls"
    return _require(len(known) == len(values) and ordered, f"{name} {direction} with noise", values)


def _region_is_the_product(truth: Video, region: Region) -> str:
    """Damage outside the region must not show in the product's metrics, and damage inside must."""
    outside = np.where(region[..., None], truth, 255 - truth)
    inside = np.where(region[..., None], 255 - truth, truth)
    values = (reconstruction.psnr(outside, truth, region), reconstruction.psnr(inside, truth, region))
    polarity = values[0] == math.inf and values[1] is not None and values[1] < 20
    return _require(polarity, "the region is the product, not its surroundings", values)


def _identity_separates(truth: Video, region: Region) -> str:
    other = np.where(region[..., None], truth[..., ::-1], truth)  # red and blue exchanged
    looks = {"true": identity.embed(truth, region), "other": identity.embed(other, region)}
    gallery = {name: look for name, look in looks.items() if look is not None}
    query = identity.embed(_noisy(truth, NOISE_LEVELS[1]), region)
    found = None if query is None else identity.nearest(query, gallery)
    return _require(found == "true", "a product is recognised beside one of other colours", found)


def _frechet() -> str:
    features = np.random.default_rng(0).normal(size=(64, 8))
    values = [frechet_distance(features, features + shift) for shift in (0.0, 0.5, 1.0)]
    ordered = abs(values[0]) < 1e-6 and values[0] < values[1] < values[2]
    return _require(ordered, "the Fréchet distance is 0 for equal features and grows with a shift", values)
