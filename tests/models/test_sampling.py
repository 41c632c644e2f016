from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.sampling import SamplingSettings, guidance_weights, initial_noise, sample
from pvtt.models.transformer import ProductVideoTransformer
from tests.tiny_wan import TEXT_DIM, tiny_transformer

SCHEDULERS = [
    FlowMatchEulerDiscreteScheduler(shift=3.0),
    UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
]


class Oracle:
    """The exact velocity to a known x₀ that depends on what is given: product 4, text 2, nothing 1."""

    dtype = torch.float32

    def __init__(self) -> None:
        self.num_evaluations = 0

    def remember(self, conditions: Conditions) -> None:
        return None

    def __call__(
        self, hidden_states: torch.Tensor, timestep: torch.Tensor, conditions: Conditions, memory: None
    ) -> SimpleNamespace:
        self.num_evaluations += len(hidden_states)
        has_text = conditions.text.flatten(1).any(1).float()
        target = (1 + has_text + 2 * conditions.has_product.float()).view(-1, 1, 1, 1, 1)
        sigma = (timestep.float() / 1000).view(-1, 1, 1, 1, 1)
        return SimpleNamespace(sample=(hidden_states - target) / sigma)


EMPTY_TEXT = torch.zeros(5, TEXT_DIM)


def conditions_of(batch_size: int) -> Conditions:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return Conditions(
        mask=torch.ones(batch_size, 4, 2, 4, 4),
        masked_latents=torch.zeros(batch_size, 16, 2, 4, 4),
        photo_latents=torch.randn(batch_size, 3, 16, 6, 6),
        view_mask=torch.ones(batch_size, 3, dtype=torch.bool),
        text=torch.ones(batch_size, 5, TEXT_DIM),
        collage_latents=torch.ones(batch_size, 16, 2, 4, 4),
        collage_mask=torch.ones(batch_size, 4, 2, 4, 4),
    )


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=["euler", "unipc"])
@pytest.mark.parametrize(
    ("product", "text", "evaluations", "expected"),
    [
        (1.0, 1.0, 1, 4.0),
        (0.0, 1.0, 1, 2.0),
        (3.0, 1.0, 2, 2 + 3 * 2.0),
        (1.0, 2.0, 3, 1 + 2 * 1.0 + 2.0),
    ],
)
def test_guidance_weighs_product_and_text_and_evaluates_no_more_than_needed(
    scheduler: Any, product: float, text: float, evaluations: int, expected: float
) -> None:
    oracle = Oracle()
    noise, settings = initial_noise((16, 2, 4, 4), range(2)), SamplingSettings(5, product, text)
    latents = sample(oracle, scheduler, noise, conditions_of(2), EMPTY_TEXT, settings)
    assert oracle.num_evaluations == 5 * 2 * evaluations
    # UniPC rounds its timesteps to whole ones, so the oracle's σ is off by up to 1/1000 of the schedule.
    assert torch.allclose(latents, torch.full_like(latents, expected), atol=0.15)


def test_without_any_product_guiding_towards_it_costs_nothing() -> None:
    oracle = Oracle()
    noise, conditions = initial_noise((16, 2, 4, 4), range(2)), conditions_of(2).without_product()
    latents = sample(oracle, SCHEDULERS[0], noise, conditions, EMPTY_TEXT, SamplingSettings(5, product_guidance=3.0))
    assert oracle.num_evaluations == 5 * 2
    assert torch.allclose(latents, torch.full_like(latents, 2.0), atol=0.15)


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=["euler", "unipc"])
@pytest.mark.parametrize("strength", [0.1, 0.4, 0.8])
def test_a_draft_is_noised_to_the_strength_and_costs_as_many_steps(scheduler: Any, strength: float) -> None:
    """A model that finds the noise exactly gives the draft back, whatever the strength."""
    noise, draft = initial_noise((16, 2, 4, 4), range(2)), torch.full((2, 16, 2, 4, 4), 0.7)
    seen: list[torch.Tensor] = []

    class Exact(Oracle):
        def __call__(
            self, hidden_states: torch.Tensor, timestep: torch.Tensor, conditions: Conditions, memory: None
        ) -> SimpleNamespace:
            assert float(timestep[0]) <= 1000 * strength + 1
            assert conditions.draft_latents is None  # no part reads it
            seen.append(hidden_states)
            return SimpleNamespace(sample=noise - draft)

    settings = SamplingSettings(4, strength=strength)
    latents = sample(Exact(), scheduler, noise, conditions_of(2).with_draft(draft), EMPTY_TEXT, settings)
    assert len(seen) == 4
    assert torch.allclose(latents, draft, atol=0.02)
    start = (seen[0] - draft).std() / (noise - draft).std()
    assert 0.5 * strength < start <= strength + 1e-3


def test_without_a_draft_the_strength_changes_nothing() -> None:
    noise, conditions = initial_noise((16, 2, 4, 4), range(2)), conditions_of(2)
    whole, weak = (
        sample(Oracle(), SCHEDULERS[1], noise, conditions, EMPTY_TEXT, SamplingSettings(5, strength=strength))
        for strength in (1.0, 0.3)
    )
    assert torch.equal(whole, weak)


def test_the_weights_add_up_to_one() -> None:
    assert sum(guidance_weights(3.0, 1.5)) == pytest.approx(1)


def test_a_sample_does_not_depend_on_its_batch_and_the_scheduler_keeps_no_state() -> None:
    model = ProductVideoTransformer.from_base(
        tiny_transformer(), tokens_per_view=9, num_product_tokens=6, product_heads=2
    ).eval()
    scheduler = SCHEDULERS[1]
    settings = SamplingSettings(num_steps=3, product_guidance=2.0)
    noise, conditions = initial_noise((16, 2, 4, 4), range(3)), conditions_of(3)
    whole = sample(model, scheduler, noise, conditions, EMPTY_TEXT, settings)
    assert torch.equal(whole, sample(model, scheduler, noise, conditions, EMPTY_TEXT, settings))
    second = sample(model, scheduler, noise[1:2], conditions[1], EMPTY_TEXT, settings)
    assert torch.allclose(second, whole[1:2], atol=1e-4)
