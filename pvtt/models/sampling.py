"""Noise → latents, with guidance over product and text separately."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def initial_noise(shape: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Starting noise, one seed a sample: a sample's noise does not depend on the batch that it is in.

    Args:
        shape: (16, F', h, w).
        seeds: B of them.

    Returns:
        (B, 16, F', h, w), float32.
    """
    return torch.stack(
        [torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(int(seed))) for seed in seeds]
    )


def guidance_weights(product_guidance: float, text_guidance: float) -> tuple[float, float, float]:
    """The weights of v(product, text), v(∅, text) and v(∅, ∅) in the guided velocity.

        v = v(∅, ∅) + s_text · (v(∅, text) - v(∅, ∅)) + s_product · (v(product, text) - v(∅, text))

    (as InstructPix2Pix, arXiv:2211.09800, does for its two conditions). They add up to 1; a weight of 0 costs no
    evaluation, so text guidance 1 takes two evaluations a step, and both at 1 take one.
    """
    return product_guidance, text_guidance - product_guidance, 1 - text_guidance


@torch.no_grad()
def sample(
    transformer: Any,
    scheduler: Any,
    *,
    noise: Tensor,
    mask: Tensor,
    masked_latents: Tensor,
    product_tokens: Tensor,
    product_view_mask: Tensor,
    text: Tensor,
    empty_text: Tensor,
    num_steps: int,
    product_guidance: float,
    text_guidance: float,
) -> Tensor:
    """Generate latents for a batch.

    Args:
        transformer: A `ProductVideoTransformer`, in evaluation mode.
        scheduler: A flow-matching scheduler; it is copied, so that a call leaves no state behind.
        noise: (B, 16, F', h, w).
        mask: 1 = generate, (B, 4, F', h, w).
        masked_latents: (B, 16, F', h, w), normalised.
        product_tokens: (B, N, L, Dp).
        product_view_mask: True where a view is there, (B, N).
        text: (B, T, Dt).
        empty_text: The empty text's embedding, (T, Dt) or (B, T, Dt).
        num_steps: Steps of the scheduler.
        product_guidance: 1 takes the product as it is, more exaggerates it, 0 leaves it out.
        text_guidance: The same for the text.

    Returns:
        Normalised latents, (B, 16, F', h, w), float32.
    """
    scheduler = type(scheduler).from_config(scheduler.config)
    scheduler.set_timesteps(num_steps, device=noise.device)
    dtype = transformer.dtype
    no_views = torch.zeros_like(product_view_mask)
    no_text = empty_text.expand_as(text)
    conditions = [
        (weight, views, words)
        for weight, views, words in zip(
            guidance_weights(product_guidance, text_guidance),
            (product_view_mask, no_views, no_views),
            (text, text, no_text),
            strict=True,
        )
        if weight != 0
    ]
    copies = len(conditions)
    weights = torch.tensor([weight for weight, _, _ in conditions], device=noise.device).view(-1, 1, 1, 1, 1, 1)
    views = torch.cat([views for _, views, _ in conditions])
    words = torch.cat([words for _, _, words in conditions]).to(dtype)
    tokens = product_tokens.repeat(copies, 1, 1, 1).to(dtype)
    condition = torch.cat([mask, masked_latents], dim=1).float()

    latents = noise.float()
    for timestep in scheduler.timesteps:
        channels = torch.cat([latents, condition], dim=1).repeat(copies, 1, 1, 1, 1)
        velocities = transformer(
            hidden_states=channels.to(dtype),
            timestep=timestep.expand(len(channels)),
            encoder_hidden_states=words,
            product_tokens=tokens,
            product_view_mask=views,
        ).sample
        velocity = (weights * velocities.float().unflatten(0, (copies, -1))).sum(0)
        latents = scheduler.step(velocity, timestep, latents).prev_sample
    return latents
