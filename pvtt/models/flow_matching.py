"""Rectified flow as Wan2.1 is trained: straight paths from data to noise, and their constant velocity.

    x_t = (1 - sigma) x0 + sigma noise        velocity = noise - x0        timestep = 1000 sigma

(Liu et al., arXiv:2209.03003; logit-normal levels and the shift: Esser et al., arXiv:2403.03206.)
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

NUM_TRAIN_TIMESTEPS = 1000

SigmaSampling = Literal["logit_normal", "uniform"]


def sigmas_at(quantiles: Tensor, sampling: SigmaSampling, shift: float) -> Tensor:
    """The noise levels at quantiles of the training distribution.

    Args:
        quantiles: In (0, 1), any shape.
        sampling: `uniform`, or `logit_normal`, which favours the middle.
        shift: Moves weight to high noise, s·σ / (1 + (s - 1)·σ), as the sampler's schedule does; 1 leaves σ as it is.

    Returns:
        σ in (0, 1), float32, the quantiles' shape.
    """
    sigmas = quantiles.double()
    if sampling == "logit_normal":
        sigmas = torch.special.ndtri(sigmas).sigmoid()
    return (shift * sigmas / (1 + (shift - 1) * sigmas)).float()


def quantile_of(sigma: float, sampling: SigmaSampling, shift: float) -> float:
    """The share of the training distribution that lies below a noise level: the inverse of `sigmas_at`."""
    unshifted = torch.tensor(sigma / (shift - (shift - 1) * sigma), dtype=torch.float64)
    return float(torch.special.ndtr(unshifted.logit()) if sampling == "logit_normal" else unshifted)


def quantile_at(position: int, offset: float) -> float:
    """The quantile of the sample at a position of the training sequence, in (0, 1).

    Multiples of the golden ratio, modulo 1, cover the interval evenly in every stretch of the sequence, so that the
    noise levels add far less variance to a batch's loss than independent draws would.
    """
    golden = (math.sqrt(5) - 1) / 2
    return min(max((offset + position * golden) % 1.0, 1e-4), 1 - 1e-4)


def noisy_latents(latents: Tensor, noise: Tensor, sigmas: Tensor) -> Tensor:
    """x_t: `latents` and `noise` (B, C, F', h, w) mixed at `sigmas` (B,)."""
    sigmas = sigmas.view(-1, *[1] * (latents.ndim - 1))
    return (1 - sigmas) * latents + sigmas * noise


def velocity_target(latents: Tensor, noise: Tensor) -> Tensor:
    """What the model is to predict, (B, C, F', h, w)."""
    return noise - latents


def timesteps_of(sigmas: Tensor) -> Tensor:
    """The transformer's `timestep` argument for `sigmas`, same shape."""
    return sigmas * NUM_TRAIN_TIMESTEPS
