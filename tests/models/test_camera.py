from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pvtt.models.camera import CameraShift, shift
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.sampling import SamplingSettings, initial_noise, sample
from tests.models.test_sampling import EMPTY_TEXT, SCHEDULERS, conditions_of

SHAPE = (3, 4, 6)  # (F', h, w)
NUM_STEPS = 20


class Still:
    """Predicts no velocity: what a scheduler makes of it is the noise it was given."""

    dtype = torch.float32

    def remember(self, conditions: Conditions) -> None:
        return None

    def __call__(self, hidden_states: torch.Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(sample=torch.zeros_like(hidden_states))


def moved(camera: CameraShift, latents: torch.Tensor) -> torch.Tensor:
    for step in range(NUM_STEPS):
        sources = camera.sources(step, NUM_STEPS, SHAPE)
        latents = latents if sources is None else shift(latents, sources)
    return latents


def test_the_scene_moves_against_the_camera_and_the_farther_the_later_the_frame() -> None:
    latents = torch.arange(72.0).view(1, 1, *SHAPE)
    found = moved(CameraShift(right=16, down=-8), latents)  # 2 latents to the right, 1 up
    assert torch.equal(found[0, 0, 0], latents[0, 0, 0])
    assert torch.equal(found[0, 0, 2, 1:, :4], latents[0, 0, 2, :3, 2:])
    assert torch.equal(found[0, 0, 1, 1:, :5], latents[0, 0, 1, :3, 1:]) or torch.equal(
        found[0, 0, 1, :, :5], latents[0, 0, 1, :, 1:]
    )  # half a latent up rounds to either


def test_what_comes_in_is_drawn_from_its_own_row() -> None:
    latents = torch.arange(72.0).view(1, 1, *SHAPE)
    found = moved(CameraShift(right=24), latents)
    for row in range(4):
        assert set(found[0, 0, 2, row].tolist()) <= set(latents[0, 0, 2, row].tolist())
    assert torch.equal(found, moved(CameraShift(right=24), latents))
    assert not torch.equal(found, moved(CameraShift(right=24, seed=1), latents))


def test_it_moves_only_in_its_steps_and_in_few_steps_too() -> None:
    camera = CameraShift(right=24)
    moving = [step for step in range(NUM_STEPS) if camera.sources(step, NUM_STEPS, SHAPE) is not None]
    assert moving
    assert min(moving) >= 2
    assert max(moving) < 6
    assert sum(camera.sources(step, 2, SHAPE) is not None for step in range(2)) == 1
    assert all(CameraShift().sources(step, NUM_STEPS, SHAPE) is None for step in range(NUM_STEPS))


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=["euler", "unipc"])
def test_sampling_moves_the_latents_and_what_the_scheduler_remembers(scheduler: Any) -> None:
    """Without any velocity the latents are the noise, moved: a history left behind would pull them back."""
    noise, conditions = initial_noise((16, 2, 4, 4), range(2)), conditions_of(2)

    def generate(camera: CameraShift | None) -> torch.Tensor:
        return sample(Still(), scheduler, noise, conditions, EMPTY_TEXT, SamplingSettings(10, camera=camera))

    still, still_again, to_the_right = (generate(camera) for camera in (None, CameraShift(), CameraShift(right=8)))
    assert torch.equal(still, still_again)
    assert torch.allclose(still, noise, atol=1e-4)
    assert torch.allclose(to_the_right[:, :, 0], noise[:, :, 0], atol=1e-4)
    assert torch.allclose(to_the_right[:, :, 1, :, :3], noise[:, :, 1, :, 1:], atol=1e-4)
