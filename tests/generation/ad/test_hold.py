"""A known first latent frame stays known through sampling, and the others go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from pvtt.generation.ad.hold import first_latent, hold_first
from pvtt.generation.inputs import TemplateInput
from pvtt.models.sampling import SamplingSettings, initial_noise, sample
from tests.generation.ad.films import PARAMS, noise
from tests.tiny_wan import build_tiny_base, build_tiny_pipeline


@pytest.mark.parametrize("euler", [False, True])
def test_the_first_latent_frame_ends_as_it_was_given(tmp_path: Path, euler: bool) -> None:
    torch.set_num_threads(1)
    pipeline = build_tiny_pipeline(build_tiny_base(tmp_path / "base"), PARAMS)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0) if euler else pipeline.scheduler
    holes = np.zeros((5, 32, 48), np.bool_)
    holes[:, 8:24, 16:32] = True
    conditions = pipeline.encode([TemplateInput(noise((5, 32, 48, 3)), holes, (), "")])
    start = initial_noise(conditions.masked_latents.shape[1:], [0])
    known = first_latent(pipeline.vae, noise((5, 32, 48, 3))[4])
    assert known.shape == (1, 16, 1, 4, 6)

    def made(scheduler: object) -> torch.Tensor:
        settings = SamplingSettings(3)
        return sample(pipeline.transformer, scheduler, start, conditions, pipeline.empty_text(), settings)

    held, free = made(hold_first(scheduler, known, start)), made(scheduler)
    torch.testing.assert_close(held[:, :, :1], known)
    assert not torch.allclose(held[:, :, 1:], free[:, :, 1:], atol=1e-4)
    assert not torch.allclose(free[:, :, :1], known, atol=1e-2)
