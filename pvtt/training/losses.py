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
    region loss of MotionBooth, arXiv:2406.17758).

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


def outside_loss(predicted: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Squared error of the velocity where the template is kept, over the whole frame's number of places, (B,).

    (1 - M) ⊙ L of DreamSwapV (arXiv:2508.14465), whose other summand, λ·L_rw, is `region_error` of the hole: the
    hole's mean, so that a small product weighs as much as a large one.

    Args:
        predicted: Velocity, (B, C, F', h, w).
        target: Velocity that is to be predicted, same shape.
        hole: 1 where the model generates, (B, 1, F', h, w).
    """
    return _per_sample((predicted.float() - target.float()).square() * (1 - hole.float()))


def contrastive_loss(own: Tensor, other: Tensor, margin: float) -> Tensor:
    """How far another product's photos are from explaining the product worse, by a margin, than its own: (B,).

    The triplet loss of FaceNet (arXiv:1503.03832) on errors instead of distances: what a conditional diffusion model
    predicts best under is its classification (arXiv:2303.16203). From the margin on it is 0 and pushes no more, so
    that what becomes of another's photos is not spoilt without end.

    Args:
        own: Error of the product region with the product's photos, (B,).
        other: The same with those of another product, (B,).
        margin: By how much `other` should exceed `own`.
    """
    return (margin + own - other).clamp(min=0)


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
