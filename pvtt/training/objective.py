"""The training objective: a batch → one loss a sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pvtt.errors import PvttError
from pvtt.models.flow_matching import noisy_latents, sigmas_at, timesteps_of, velocity_target
from pvtt.params.train import LossParams, TrainParams
from pvtt.training.dataset import Batch
from pvtt.training.losses import region_error
from pvtt.training.terms import TERMS, LossInputs, Model, Prediction

NO_INPUTS = LossInputs()


@dataclass(frozen=True)
class Loss:
    """Losses of a batch, each (B,).

    Args:
        total: The weighted sum, to be minimised.
        parts: What is logged, detached: `region`, the velocity's plain error inside the product, and, where the sum has
            several terms, each of them.
    """

    total: Tensor
    parts: dict[str, Tensor]


def evaluate_loss(model: Model, batch: Batch, params: TrainParams, inputs: LossInputs = NO_INPUTS) -> Loss:
    """Noise a batch, predict its velocity and compare.

    Args:
        model: The transformer that predicts the velocity.
        batch: The samples, with their noise and noise levels.
        params: Noise levels and the weights of the loss; a term of weight 0 is not computed.
        inputs: What some of the terms need besides the batch.
    """
    made = predict(model, batch, params, inputs)
    weights = {name: float(getattr(params.loss, name)) for name in TERMS}
    terms = {name: TERMS[name](made) for name, weight in weights.items() if weight > 0}
    weighted = [weights[name] * term for name, term in terms.items()]
    total = sum(weighted[1:], start=weighted[0])
    with torch.no_grad():
        region = region_error(made.velocity, made.target, batch.region)
    parts = {name: term.detach() for name, term in terms.items()} if len(terms) > 1 else {}
    return Loss(total, {"region": region} | parts)


def require_masks(batch: Batch, loss: LossParams, settings_key: str) -> None:
    """Check that what the loss is taken in is there: a mean over nothing would teach nothing, unseen.

    Args:
        batch: The samples.
        loss: The weights of the terms.
        settings_key: Of the stage in `params.yaml`, for the message.

    Raises:
        PvttError: A mask that a term is taken in is empty; names the term, the mask and the samples.
    """
    hole = batch.conditions.mask.amax(1, keepdim=True)
    masks = {"region": batch.region, "hole": hole, "outside": 1 - hole, "inside": hole}
    masks |= {"stca": batch.region, "contrastive": batch.region}
    names = {"outside": "the place outside the hole", "hole": "the hole", "inside": "the hole"}
    for term, mask in masks.items():
        if getattr(loss, term) > 0:
            there = (mask > 0).flatten(1).any(1).tolist()
            empty = [key for key, some in zip(batch.keys, there, strict=True) if not some]
            if empty:
                raise PvttError(
                    f"{settings_key}: train.loss.{term} is on, and {names.get(term, 'the product region')} is empty in "
                    f"{', '.join(empty)}",
                    f"take these samples out or encode them again; `train.loss.{term}: 0` trains without the term",
                )


def predict(model: Model, batch: Batch, params: TrainParams, inputs: LossInputs = NO_INPUTS) -> Prediction:
    """Noise a batch and predict its velocity. Arguments as of `evaluate_loss`."""
    sigmas = sigmas_at(batch.quantiles, params.sigma_sampling, params.sigma_shift)
    noisy = noisy_latents(batch.latents, batch.noise, sigmas)
    output = model(
        hidden_states=noisy,
        timestep=timesteps_of(sigmas),
        conditions=batch.conditions,
        return_product_attention=params.loss.stca > 0,
    )
    return Prediction(
        model=model,
        batch=batch,
        params=params,
        inputs=inputs,
        sigmas=sigmas,
        noisy=noisy,
        target=velocity_target(batch.latents, batch.noise),
        velocity=output.sample,
        product_attention=output.product_attention,
    )
