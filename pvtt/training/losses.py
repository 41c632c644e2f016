"""The terms of the training loss. A term whose weight is 0 is not computed.

All are taken in float32 and are means over a batch of per-sample values (B,), so that a batch spread over several
processes gives the same gradient as one that is not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def _per_sample(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1)


def velocity_loss(predicted: Tensor, target: Tensor, extra_weight: Tensor | None = None) -> Tensor:
    """Squared error of the velocity, with some places counted more.

    The weights 1 + extra are normalised a sample, so they move attention without changing the loss's scale (subject
    region loss of MotionBooth, arXiv:2406.17758, and λ·L_rw of DreamSwapV, arXiv:2508.14465).

    Args:
        predicted: Velocity, (B, C, F', h, w).
        target: Velocity that is to be predicted, same shape.
        extra_weight: At least 0, (B, 1, F', h, w); None counts every place the same.

    Returns:
        (B,)
    """
    error = (predicted.float() - target.float()).square()
    if extra_weight is None:
        return _per_sample(error)
    weight = 1 + extra_weight.float()
    return _per_sample(error * weight) / _per_sample(weight)


def region_error(predicted: Tensor, target: Tensor, region: Tensor) -> Tensor:
    """Mean squared error of the velocity inside the product region, (B,); 0 where a sample has no region."""
    error = (predicted.float() - target.float()).square().mean(1, keepdim=True)
    return (error * region).flatten(1).sum(1) / region.flatten(1).sum(1).clamp(min=1e-6)


def temporal_difference_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Squared error of the velocity's change from one latent frame to the next, (B,).

    A flicker counts, an offset does not. One latent frame has no change; its loss is 0.
    """
    error = predicted.float() - target.float()
    if error.shape[2] < 2:
        return error.new_zeros(len(error))
    return _per_sample(error.diff(dim=2).square())


def stca_loss(attention: Tensor, region: Tensor) -> Tensor:
    """Binds the product's tokens to the product's place: binary cross-entropy of the attention that each place pays to
    the product, against the region (STCA loss of MotionBooth, arXiv:2406.17758).

    Args:
        attention: In [0, 1], (B, blocks, F', h/p, w/p), as `ProductVideoTransformer` returns it.
        region: Coverage of the product in [0, 1], (B, 1, F', h, w).

    Returns:
        (B,)
    """
    target = functional.adaptive_avg_pool3d(
        region.float(), (attention.shape[2], attention.shape[3], attention.shape[4])
    ).expand_as(attention)
    probability = attention.float().clamp(1e-6, 1 - 1e-6)
    # Spelled out: autocast refuses binary_cross_entropy on probabilities, whatever their type.
    return _per_sample(-(target * probability.log() + (1 - target) * torch.log1p(-probability)))
