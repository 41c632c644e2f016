"""PSNR and SSIM, over the frame or over the product's region. Higher is better for both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pvtt.evaluation.arrays import check_same_shape
from pvtt.evaluation.metrics.metric import Metric
from pvtt.media.arrays import Region, Video

if TYPE_CHECKING:
    from torch import Tensor

PEAK = 255.0
MAX_PSNR = 100.0  # dB; stands for ∞ in means, above what 8 bits can show otherwise (one level off in one pixel of 10⁵)


def psnr(video: Video, truth: Video, region: Region | None = None) -> float | None:
    """Peak signal-to-noise ratio in dB from the squared error pooled over the clip; ∞ for identical videos.

    Args:
        video: (F, H, W, 3).
        truth: (F, H, W, 3).
        region: Pixels to compare; None: all.

    Returns:
        None where the region is empty.
    """
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio

    check_same_shape(video, truth, region)
    if region is not None:
        video, truth = video[region], truth[region]
    if not video.size:
        return None
    given, expected = (torch.from_numpy(np.ascontiguousarray(pixels)).double() for pixels in (video, truth))
    return float(peak_signal_noise_ratio(given, expected, data_range=PEAK))


def ssim_map(video: Video, truth: Video) -> Tensor:
    """Structural similarity (Wang et al. 2004, 11×11 Gaussian window) at each pixel, the colours' mean: (F, H, W)."""
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    check_same_shape(video, truth)
    given, expected = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() for frames in (video, truth))
    _, full = structural_similarity_index_measure(given, expected, data_range=PEAK, return_full_image=True)
    return torch.as_tensor(full).mean(dim=1)


def ssim(video: Video, truth: Video, region: Region | None = None) -> float | None:
    """Mean structural similarity, at most 1. Arguments and None as for `psnr`; windows at the edge see past it."""
    import torch

    full = ssim_map(video, truth)
    if region is not None:
        full = full[torch.from_numpy(region)]
    return float(full.mean()) if full.numel() else None


def finite_psnr(video: Video, truth: Video, region: Region | None = None) -> float | None:
    """PSNR with ∞ as `MAX_PSNR`, so that means stay finite."""
    value = psnr(video, truth, region)
    return MAX_PSNR if value == math.inf else value


METRICS = (
    Metric(
        name="psnr",
        label="PSNR",
        says="of the whole frame; outside the mask it is the template itself",
        group="Fidelity to the ground truth",
        unit="dB",
        better="↑",
        target="params",
        measure=lambda scene, video: finite_psnr(video, scene.truth),
    ),
    Metric(
        name="ssim",
        label="SSIM",
        says="structural similarity of the whole frame",
        group="Fidelity to the ground truth",
        better="↑",
        target="params",
        measure=lambda scene, video: ssim(video, scene.truth),
    ),
    Metric(
        name="product_psnr",
        label="product PSNR",
        says="inside the product's region only",
        group="The product's region",
        unit="dB",
        better="↑",
        measure=lambda scene, video: finite_psnr(video, scene.truth, scene.product),
        of_contenders=True,
        ranks=True,
    ),
    Metric(
        name="product_ssim",
        label="product SSIM",
        says="inside the product's region only",
        group="The product's region",
        better="↑",
        measure=lambda scene, video: ssim(video, scene.truth, scene.product),
    ),
)
