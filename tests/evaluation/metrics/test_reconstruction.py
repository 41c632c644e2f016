"""PSNR and SSIM against formulas and against scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from pvtt.evaluation.arrays import to_uint8
from pvtt.evaluation.metrics.reconstruction import psnr, ssim, ssim_map
from tests.evaluation.clips import moving_box, noisy


def test_psnr_is_the_formula() -> None:
    truth, _ = moving_box()
    video = noisy(truth, 10)
    error = ((video.astype(float) - truth) ** 2).mean()
    assert psnr(video, truth) == pytest.approx(10 * math.log10(255**2 / error))


def test_identical_videos() -> None:
    truth, region = moving_box()
    assert psnr(truth, truth) == math.inf
    assert psnr(truth, truth, region) == math.inf
    assert ssim(truth, truth) == pytest.approx(1)


def test_only_the_region_counts() -> None:
    truth, region = moving_box()
    damaged_outside = np.where(region[..., None], truth, 0)
    damaged_inside = np.where(region[..., None], 0, truth)
    assert psnr(damaged_outside, truth, region) == math.inf
    inside = psnr(damaged_inside, truth, region)
    assert inside is not None
    assert inside < 10
    assert psnr(truth, truth, np.zeros_like(region)) is None
    assert ssim(truth, truth, np.zeros_like(region)) is None


def test_ssim_is_scikit_images() -> None:
    truth, _ = moving_box()
    video = noisy(truth, 15)
    options = {"channel_axis": -1, "data_range": 255, "gaussian_weights": True, "sigma": 1.5}
    expected = [
        structural_similarity(a, b, use_sample_covariance=False, **options) for a, b in zip(video, truth, strict=True)
    ]
    inner = ssim_map(video, truth)[:, 5:-5, 5:-5]  # scikit-image leaves out windows that cross the border
    assert inner.mean().item() == pytest.approx(np.mean(expected), abs=1e-3)


def test_shapes_that_differ_are_named() -> None:
    truth, _ = moving_box()
    with pytest.raises(ValueError, match=r"\(4, 64, 96, 3\).*\(5, 64, 96, 3\)"):
        psnr(truth[:4], truth)


def test_to_uint8_rounds_and_clips() -> None:
    assert to_uint8(np.array([-1.5, -1, 0, 0.999, 1, 2])).tolist() == [0, 0, 128, 255, 255, 255]
