"""The training objective: a batch → one loss a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pvtt.models.flow_matching import noisy_latents, sigmas_at, timesteps_of, velocity_target
from pvtt.params.train import LossParams, TrainParams
from pvtt.training.dataset import Batch
from pvtt.training.losses import region_error, stca_loss, temporal_difference_loss, velocity_loss

Model = Callable[..., Any]  # a ProductVideoTransformer, prepared by accelerate or not


@dataclass(frozen=True)
class Loss:
    """Losses of a batch, each (B,).

    Args:
        total: The weighted sum, to be minimised.
        parts: What is logged, detached: `region`, the velocity's plain error inside the product, and every term of the
            sum that is computed.
    """

    total: Tensor
    parts: dict[str, Tensor]


def evaluate_loss(model: Model, batch: Batch, params: TrainParams, empty_latents: Tensor | None = None) -> Loss:
    """Noise a batch, predict its velocity and compare.

    Args:
        model: The transformer that predicts the velocity.
        batch: The samples, with their noise and noise levels.
        params: Noise levels and the weights of the loss; a term of weight 0 is not computed.
        empty_latents: Latents of a video that is all hole, (C, F', h, w); needed by the preservation term only.
    """
    weights = params.loss
    sigmas = sigmas_at(batch.quantiles, params.sigma_sampling, params.sigma_shift)
    noisy = noisy_latents(batch.latents, batch.noise, sigmas)
    target = velocity_target(batch.latents, batch.noise)
    timesteps = timesteps_of(sigmas)
    output = model(
        hidden_states=noisy,
        timestep=timesteps,
        conditions=batch.conditions,
        return_product_attention=weights.stca > 0,
    )
    total = velocity_loss(output.sample, target, _extra_weight(batch, weights))
    terms = {"velocity": total}
    if weights.temporal_difference > 0:
        terms["temporal_difference"] = temporal_difference_loss(output.sample, target)
    if weights.stca > 0:
        # A dropped product has no place.
        terms["stca"] = stca_loss(output.product_attention, batch.region) * batch.conditions.has_product
    if weights.preservation > 0:
        if empty_latents is None:
            raise ValueError("the preservation loss needs empty_latents")
        terms["preservation"] = _preservation_loss(model, batch, noisy, timesteps, target, empty_latents)
    for name in terms:
        if name != "velocity":
            total = total + _weight(weights, name) * terms[name]
    with torch.no_grad():
        region = region_error(output.sample, target, batch.region)
    parts = {"region": region} | ({name: term.detach() for name, term in terms.items()} if len(terms) > 1 else {})
    return Loss(total, parts)


def _extra_weight(batch: Batch, weights: LossParams) -> Tensor | None:
    """How much more each place counts, (B, 1, F', h, w): the product, and all that is generated."""
    extra: Tensor | None = None
    if weights.region > 0:
        extra = weights.region * batch.region
    if weights.hole > 0:
        hole = weights.hole * batch.conditions.mask.amax(1, keepdim=True)
        extra = hole if extra is None else extra + hole
    return extra


def _weight(weights: LossParams, name: str) -> float:
    weight: float = getattr(weights, name)
    return weight


def _preservation_loss(
    model: Model, batch: Batch, noisy: Tensor, timesteps: Tensor, target: Tensor, empty_latents: Tensor
) -> Tensor:
    """Error of generating the whole video from its text alone: all of it a hole, and no product (MotionBooth's video
    preservation loss, arXiv:2406.17758). Keeps the base's ability while the product is learned. (B,)"""
    conditions = batch.conditions.all_hole(empty_latents).without_product()
    output = model(hidden_states=noisy, timestep=timesteps, conditions=conditions)
    return velocity_loss(output.sample, target)
