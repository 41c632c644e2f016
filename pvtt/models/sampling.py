"""Noise, or a noised draft, → latents, with guidance over product and text separately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pvtt.files.hashing import sha256_json
from pvtt.models.camera import CameraShift, shift, shift_history
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.place import PlaceEdit


def initial_noise(shape: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Starting noise, one seed a sample: a sample's noise does not depend on the batch that it is in.

    Args:
        shape: (C, F', h, w).
        seeds: One a sample, B in all.

    Returns:
        (B, C, F', h, w), float32.
    """
    return torch.stack(
        [torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(int(seed))) for seed in seeds]
    )


def sample_seed(seed: int, key: str) -> int:
    """The seed of a sample's noise, from a run's seed and the sample's name: nothing else about a run changes it."""
    return int(sha256_json([seed, key])[:15], 16)


def generation_seed(seed: int, number: int) -> int:
    """The seed of a sample's further generations: that of the first is the run's own."""
    return seed if number == 0 else sample_seed(seed, f"generation {number}")


def guidance_weights(product_guidance: float, text_guidance: float) -> tuple[float, float, float]:
    """The weights of v(product, text), v(∅, text) and v(∅, ∅) in the guided velocity.

        v = v(∅, ∅) + s_text · (v(∅, text) - v(∅, ∅)) + s_product · (v(product, text) - v(∅, text))

    (as InstructPix2Pix, arXiv:2211.09800, does for its two conditions). They add up to 1; a weight of 0 costs no
    evaluation, so text guidance 1 takes two evaluations a step, and both at 1 take one.
    """
    return product_guidance, text_guidance - product_guidance, 1 - text_guidance


@dataclass(frozen=True)
class SamplingSettings:
    """How latents are sampled.

    Args:
        num_steps: Steps of the scheduler.
        product_guidance: 1 takes the product as it is, more exaggerates it, 0 leaves it out. Where no sample of a batch
            has a product it changes nothing and costs nothing.
        text_guidance: The same for the text.
        camera: Moves the camera; None leaves it to the model.
        strength: Noise level, in (0, 1], that sampling starts from: at 1 from noise, below from a draft with so much
            noise, where the conditions have one (SDEdit, arXiv:2108.01073). The lower, the more of the draft stays.
        place: Draws the product into a box; None leaves its place to the model.
        words: For `place`, the places of the product's word in each sample's text; none at all leaves the texts.
    """

    num_steps: int
    product_guidance: float = 1.0
    text_guidance: float = 1.0
    camera: CameraShift | None = None
    strength: float = 1.0
    place: PlaceEdit | None = None
    words: tuple[tuple[int, ...], ...] = ()


def first_step(scheduler: Any, settings: SamplingSettings, device: torch.device) -> int:
    """Set a scheduler's steps; returns the first of them, the largest σ that is no greater than the strength.

    Always `settings.num_steps` are left to take, so that a draft costs what noise costs.
    """
    most = max(settings.num_steps, scheduler.config.num_train_timesteps)
    for total in range(settings.num_steps, most + 1):
        scheduler.set_timesteps(total, device=device)
        above = int((scheduler.sigmas[:-1] > settings.strength + 1e-6).sum())
        if settings.strength >= 1 or total - above >= settings.num_steps:
            break
    return total - settings.num_steps


@torch.no_grad()
def sample(
    transformer: Any,
    scheduler: Any,
    noise: Tensor,
    conditions: Conditions,
    empty_text: Tensor,
    settings: SamplingSettings,
) -> Tensor:
    """Generate latents for a batch.

    Args:
        transformer: A `ProductVideoTransformer`, in evaluation mode.
        scheduler: A flow-matching scheduler; it is copied, so that a call leaves no state behind.
        noise: (B, C, F', h, w); it says on which device the work is done. A draft in the conditions gets it too.
        conditions: What each of the B samples is generated from.
        empty_text: The empty text's embedding, (T, Dt) or (B, T, Dt).
        settings: Steps and guidance.

    Returns:
        Normalised latents, (B, C, F', h, w), float32.
    """
    scheduler = type(scheduler).from_config(scheduler.config)
    draft, conditions = conditions.draft_latents, conditions.with_draft(None)
    settings = settings if draft is not None else replace(settings, strength=1.0)
    start = first_step(scheduler, settings, noise.device)
    timesteps = scheduler.timesteps[start:]
    latents = noise.float()
    if draft is not None and settings.strength < 1:
        scheduler.set_begin_index(start)
        sigma = float(scheduler.sigmas[start])
        latents = (1 - sigma) * draft.to(latents) + sigma * latents
    dtype = transformer.dtype
    without_product = conditions.without_product()
    product_guidance = settings.product_guidance if conditions.has_product.any() else 0.0
    nothing: tuple[tuple[int, ...], ...] = ((),) * len(conditions)
    words = settings.words or nothing
    branches = [
        (weight, branch, said)
        for weight, branch, said in zip(
            guidance_weights(product_guidance, settings.text_guidance),
            (conditions, without_product, without_product.with_text(empty_text)),
            (words, words, nothing),
            strict=True,
        )
        if weight != 0
    ]
    weights = torch.tensor([weight for weight, _, _ in branches], device=noise.device).view(-1, 1, 1, 1, 1, 1)
    together = Conditions.concatenate([branch for _, branch, _ in branches]).to(noise.device, dtype)

    memory = transformer.remember(together)
    place, edit = settings.place, {}
    if place is not None and place.strength > 0:
        said_in_all = [places for _, _, said in branches for places in said]
        edit = {"place": place.bias(together, transformer.patch_shape, said_in_all)}
    for step, timestep in enumerate(timesteps):
        if settings.camera is not None:
            num_frames, height, width = latents.shape[2:]
            sources = settings.camera.sources(step, len(timesteps), (num_frames, height, width))
            if sources is not None:
                latents = shift(latents, sources)
                shift_history(scheduler, sources)
        velocities = transformer(
            hidden_states=latents.repeat(len(branches), 1, 1, 1, 1).to(dtype),
            timestep=timestep.expand(len(together)),
            conditions=together,
            memory=memory,
            **(edit if place is not None and place.acts_on(step, len(timesteps)) else {}),
        ).sample
        velocity = (weights * velocities.float().unflatten(0, (len(branches), -1))).sum(0)
        latents = scheduler.step(velocity, timestep, latents).prev_sample
    return latents
