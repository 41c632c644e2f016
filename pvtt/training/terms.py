"""What each term of the loss needs, and how it gets it from a batch's prediction.

    losses.py   the formulas: tensors → (B,)
    terms.py    a prediction → the formulas' inputs, with further passes of the model where a term needs one
    objective.py   the weighted sum

A term is a function here, of its weight's name in `train.loss`. It is called only where its weight is above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pvtt.models.flow_matching import noisy_latents, timesteps_of
from pvtt.models.perceptual import DecodedDistance
from pvtt.params.train import TrainParams
from pvtt.training.dataset import Batch
from pvtt.training.losses import (
    contrastive_loss,
    outside_loss,
    region_error,
    stca_loss,
    temporal_difference_loss,
    velocity_loss,
)

Model = Callable[..., Any]  # a ProductVideoTransformer, prepared by accelerate or not


@dataclass(frozen=True)
class LossInputs:
    """What terms need besides a batch, on its device; None where the term is off.

    Args:
        empty_latents: Latents of a video that is all hole, (C, F', h, w): `preservation`, `foreign_preservation`.
        decoded: The distance of decoded latents: `perceptual`.
        base: The base as it was, frozen, called as the model is: `foreign_preservation`.
    """

    empty_latents: Tensor | None = None
    decoded: DecodedDistance | None = None
    base: Model | None = None


@dataclass(frozen=True)
class Prediction:
    """What the model made of a batch.

    Args:
        model: The transformer.
        batch: B samples.
        params: Settings of the terms.
        inputs: What they need besides the batch.
        sigmas: Noise levels, (B,).
        noisy: x_t, (B, C, F', h, w).
        target: The true velocity, same shape.
        velocity: The predicted one.
        product_attention: As `ProductTransformerOutput` has it, for `stca`.
    """

    model: Model
    batch: Batch
    params: TrainParams
    inputs: LossInputs
    sigmas: Tensor
    noisy: Tensor
    target: Tensor
    velocity: Tensor
    product_attention: Tensor | None

    @property
    def hole(self) -> Tensor:
        """1 where the model generates, (B, 1, F', h, w)."""
        return self.batch.conditions.mask.amax(1, keepdim=True)


def velocity(made: Prediction) -> Tensor:
    """Squared error over the whole frame, the product's region and the hole counted more."""
    weights = made.params.loss
    extra: Tensor | None = None
    if weights.region > 0:
        extra = weights.region * made.batch.region
    if weights.hole > 0:
        hole = weights.hole * made.hole
        extra = hole if extra is None else extra + hole
    return velocity_loss(made.velocity, made.target, extra)


def temporal_difference(made: Prediction) -> Tensor:
    """Flicker."""
    return temporal_difference_loss(made.velocity, made.target)


def stca(made: Prediction) -> Tensor:
    """Attention to the product outside its place, and inattention inside; 0 where the product is dropped."""
    assert made.product_attention is not None
    return stca_loss(made.product_attention, made.batch.region) * made.batch.conditions.has_product


def preservation(made: Prediction) -> Tensor:
    """Error of generating the whole video from its text alone: all of it a hole, and no product. Keeps the base's
    ability while the product is learned (MotionBooth's video preservation loss, arXiv:2406.17758, on the own clips)."""
    if made.inputs.empty_latents is None:
        raise ValueError("the preservation loss needs empty_latents")
    conditions = made.batch.conditions.all_hole(made.inputs.empty_latents).without_product()
    output = made.model(hidden_states=made.noisy, timestep=timesteps_of(made.sigmas), conditions=conditions)
    return velocity_loss(output.sample, made.target)


def foreign_preservation(made: Prediction) -> Tensor:
    """How far the model has moved from its base on films that have nothing to do with the products: the velocities'
    squared difference on a foreign clip a sample, all of it a hole, from its text alone, at the sample's noise.

    MotionBooth's video preservation loss (arXiv:2406.17758) is taken on common videos; here the base's own velocity
    stands for the videos' (Learning without Forgetting, arXiv:1606.09282), so that a base is kept even on films that it
    was not trained on, and a model that has not moved has no loss.
    """
    foreign, base, empty_latents = made.batch.foreign, made.inputs.base, made.inputs.empty_latents
    if foreign is None or base is None or empty_latents is None:
        raise ValueError("the loss on foreign clips needs them, the base and empty_latents")
    given = {
        "hidden_states": noisy_latents(foreign.latents, made.batch.noise, made.sigmas),
        "timestep": timesteps_of(made.sigmas),
        "conditions": made.batch.conditions.all_hole(empty_latents).without_product().with_text(foreign.text),
    }
    return velocity_loss(made.model(**given).sample, base(**given).sample)


def outside(made: Prediction) -> Tensor:
    """Error where the template is kept."""
    return outside_loss(made.velocity, made.target, made.hole)


def inside(made: Prediction) -> Tensor:
    """Mean error of what is generated."""
    return region_error(made.velocity, made.target, made.hole)


def contrastive(made: Prediction) -> Tensor:
    """The region's error with the true photos against that with another product's of the batch; a second pass.

    0 for a sample without product, and where the batch has no other product.
    """
    others = other_products(made.batch)
    places = torch.tensor([place if other is None else other for place, other in enumerate(others)])
    paired = torch.tensor([other is not None for other in others])
    conditions = made.batch.conditions
    swapped = conditions.with_photos_of(conditions.select(places.to(made.noisy.device)))
    # Also where nobody has a partner: under FSDP all processes pass the model equally often.
    output = made.model(hidden_states=made.noisy, timestep=timesteps_of(made.sigmas), conditions=swapped)
    own, other = (region_error(one, made.target, made.batch.region) for one in (made.velocity, output.sample))
    return contrastive_loss(own, other, made.params.contrastive_margin) * paired.to(own.device)


def perceptual(made: Prediction) -> Tensor:
    """How the estimate of x₀ looks beside the truth, a few frames of it decoded; 0 above `max_sigma`.

    LPIPS (arXiv:1801.03924) on the decoded estimate x₀ = x_t - σ·v: what the eye sees, which the latents' squared
    error weighs otherwise.
    """
    if made.inputs.decoded is None:
        raise ValueError("the perceptual loss needs the decoded distance")
    settings = made.params.perceptual
    distances = made.sigmas.new_zeros(len(made.sigmas))
    near = made.sigmas <= settings.max_sigma
    if near.any():
        estimate = made.noisy - made.sigmas.view(-1, 1, 1, 1, 1) * made.velocity.float()
        frames = slice(settings.latent_frames)
        distances[near] = made.inputs.decoded(estimate[near, :, frames], made.batch.latents[near, :, frames])
    return distances


def point_patch(made: Prediction) -> Tensor:
    """Error around the product's tracked points; 0 where none was tracked (VideoSwap, arXiv:2312.02087)."""
    if made.batch.point_patches is None:
        raise ValueError("the point-patch loss needs samples with tracked points")
    return region_error(made.velocity, made.target, made.batch.point_patches)


def other_products(batch: Batch) -> list[int | None]:
    """For each sample the next one in the batch, cyclically, that has another product; None without."""
    has_product = batch.conditions.has_product.tolist()
    size = len(batch.keys)

    def next_of(place: int) -> int | None:
        for step in range(1, size):
            other = (place + step) % size
            if has_product[other] and batch.product_ids[other] != batch.product_ids[place]:
                return other
        return None

    return [next_of(place) if has_product[place] else None for place in range(size)]


TERMS: Mapping[str, Callable[[Prediction], Tensor]] = {
    term.__name__: term
    for term in (
        velocity,
        temporal_difference,
        stca,
        preservation,
        foreign_preservation,
        outside,
        inside,
        contrastive,
        perceptual,
        point_patch,
    )
}
