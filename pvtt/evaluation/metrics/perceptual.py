"""LPIPS (Zhang et al. 2018) through the `lpips` package, on weights from a local file; nothing is downloaded.

The package ships its linear layers; the AlexNet trunk is torchvision's `alexnet-owt-7be5be79.pth`, which
`evaluate.lpips_weights` names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from pvtt.evaluation.arrays import check_same_shape
from pvtt.evaluation.metrics.metric import Metric, Scene
from pvtt.media.arrays import Region, Video

if TYPE_CHECKING:
    from torch import Tensor


class Lpips:
    """A perceptual distance: 0 for identical frames, lower is better.

    Args:
        network: From two batches of frames, (N, 3, H, W) RGB in [-1, 1], to the distance at each pixel, (N, 1, H, W).
        device: The device that it runs on.
    """

    def __init__(self, network: Callable[[Tensor, Tensor], Tensor], device: str = "cpu") -> None:
        self._device = device
        self._network = network

    @classmethod
    def load(cls, trunk: Path, device: str = "cpu") -> Self:
        """On torchvision's AlexNet, whose state dict `trunk` is. Raises as `load_lpips`."""
        from pvtt.models.perceptual import load_lpips

        return cls(load_lpips("alex", trunk, "evaluate.lpips_weights", spatial=True).to(device), device)

    def map(self, video: Video, truth: Video) -> Tensor:
        """The distance at each pixel, (F, H, W). Frames need a side of 31 pixels at least."""
        import torch

        check_same_shape(video, truth)
        given, expected = (
            torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float().to(self._device) / 127.5 - 1
            for frames in (video, truth)
        )
        with torch.inference_mode():
            return self._network(given, expected)[:, 0].cpu()

    def __call__(self, video: Video, truth: Video, region: Region | None = None) -> float | None:
        """The mean distance over the frame, or over the region; None where the region is empty."""
        import torch

        full = self.map(video, truth)
        if region is not None:
            full = full[torch.from_numpy(region)]
        return float(full.mean()) if full.numel() else None


def _lpips(scene: Scene, video: Video, region: Region | None = None) -> float | None:
    lpips = scene.networks.lpips
    return None if lpips is None else lpips(video, scene.truth, region)


METRICS = (
    Metric(
        name="lpips",
        label="LPIPS",
        says="perceptual distance of the whole frame",
        group="Fidelity to the ground truth",
        better="↓",
        target="params",
        measure=_lpips,
        beside=("swapped", "mean_fill", "ceiling"),
    ),
    Metric(
        name="product_lpips",
        label="product LPIPS",
        says="inside the product's region only",
        group="The product's region",
        better="↓",
        measure=lambda scene, video: _lpips(scene, video, scene.product),
        beside=("swapped", "mean_fill", "ceiling"),
    ),
)
