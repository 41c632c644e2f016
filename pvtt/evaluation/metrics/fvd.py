"""Fréchet video distance (Unterthiner et al. 2018) on an I3D from a local TorchScript file.

The file is the usual `i3d_torchscript.pt` (Skorokhodov et al. 2022, *StyleGAN-V*): called with videos
(B, 3, F, 224, 224) in [-1, 1], it gives features before the last layer. Frames are stretched to 224×224 bilinearly. The
value depends strongly on the number of videos, so compare it only at equal n; no bootstrap interval is given, since
resampling with repeats biases it upwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from pvtt.errors import PvttError, first_line
from pvtt.evaluation.metrics.metric import Metric
from pvtt.media.arrays import Video

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 224


@dataclass(frozen=True)
class FvdResult:
    """FVD of a part.

    Args:
        value: None where the videos are too few for it.
        n: Videos.
        seed_noise: Standard deviation between generations; None where there is one.
    """

    value: float | None
    n: int
    seed_noise: float | None = None


class VideoEmbedder:
    """I3D features of videos.

    Args:
        network: From a video, (1, 3, F, 224, 224) RGB in [-1, 1], to its features, (1, D).
        device: The device that it is on.
    """

    def __init__(self, network: Callable[..., Tensor], device: str = "cpu") -> None:
        self._network = network
        self._device = device

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """From a TorchScript file.

        Raises:
            PvttError: It is none.
        """
        import torch

        try:
            network = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            raise PvttError(
                f"evaluate.fvd_weights: {path} is not a TorchScript file: {first_line(error)}",
                "point it at i3d_torchscript.pt, or leave it out: FVD is then not measured",
            ) from None
        return cls(network, device)

    def __call__(self, videos: Sequence[Video]) -> npt.NDArray[np.float64]:
        """(N, D) features of N videos, one at a time."""
        import torch
        from torch.nn.functional import interpolate

        features = []
        with torch.inference_mode():
            for video in videos:
                frames = torch.from_numpy(np.ascontiguousarray(video)).permute(0, 3, 1, 2).float().to(self._device)
                frames = interpolate(frames, size=(SIDE, SIDE), mode="bilinear", align_corners=False) / 127.5 - 1
                batch = frames.permute(1, 0, 2, 3)[None]  # (1, 3, F, 224, 224)
                output = self._network(batch, rescale=False, resize=False, return_features=True)
                features.append(output.flatten().double().cpu().numpy())
        return np.stack(features)


def frechet_distance(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Squared 2-Wasserstein distance of the Gaussians fitted to two feature sets, (N, D) and (M, D); 0 for equal sets.

    ‖μ₁ - μ₂‖² + tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½), the last trace from the eigenvalues of Σ₁Σ₂ (Dowson and Landau 1982).
    """
    gap = ((first.mean(0) - second.mean(0)) ** 2).sum()
    covariances = [np.atleast_2d(np.cov(features, rowvar=False)) for features in (first, second)]
    eigenvalues = np.linalg.eigvals(covariances[0] @ covariances[1])
    root = np.sqrt(np.clip(eigenvalues.real, 0, None)).sum()
    return float(max(0.0, gap + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root))


class FvdFeatures:
    """Collects features of outputs and of their ground truths.

    Args:
        embedder: (N, D) features of N videos; None: the network is missing.
    """

    def __init__(self, embedder: Callable[[Sequence[Video]], npt.NDArray[np.float64]] | None) -> None:
        self._embedder = embedder
        self.features: list[npt.NDArray[np.float64]] = []  # (S + 1, D) each: outputs, ground truth

    def add(self, outputs: Sequence[Video], truth: Video) -> None:
        """A sample's outputs, one a generation, and its ground truth."""
        if self._embedder is not None:
            self.features.append(self._embedder([*outputs, truth]))

    def distance(self, min_n: int) -> FvdResult | None:
        """As `fvd_of`; None without the network."""
        return fvd_of(None if self._embedder is None else self.features, min_n)


def fvd_of(features: Sequence[npt.NDArray[np.float64]] | None, min_n: int) -> FvdResult | None:
    """FVD, the mean over generations, if there are at least `min_n` samples.

    Args:
        features: Of each sample, (S + 1, D): of its generations, then of its ground truth; None: not measured.
        min_n: Samples that it needs.
    """
    if features is None:
        return None
    n = len(features)
    if n < min_n:
        return FvdResult(None, n)
    *outputs, truths = np.stack(features, axis=1)
    values = [frechet_distance(of_generation, truths) for of_generation in outputs]
    return FvdResult(float(np.mean(values)), n, float(np.std(values, ddof=1)) if len(values) > 1 else None)


METRICS = (
    Metric(  # measured over the videos of a split together
        name="fvd",
        label="FVD",
        says="Fréchet video distance of outputs to ground truths",
        group="Fidelity to the ground truth",
        better="↓",
        target="params",
    ),
)
