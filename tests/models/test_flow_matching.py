from __future__ import annotations

import pytest
import torch

from pvtt.models.flow_matching import (
    SigmaSampling,
    noisy_latents,
    quantile_at,
    quantile_of,
    sigmas_at,
    timesteps_of,
    velocity_target,
)


def test_the_path_runs_straight_from_data_to_noise() -> None:
    latents, noise = torch.randn(2, 16, 3, 4, 6), torch.randn(2, 16, 3, 4, 6)
    assert torch.equal(noisy_latents(latents, noise, torch.zeros(2)), latents)
    assert torch.equal(noisy_latents(latents, noise, torch.ones(2)), noise)
    sigmas = torch.tensor([0.3, 0.8])
    slope = (noisy_latents(latents, noise, sigmas + 0.1) - noisy_latents(latents, noise, sigmas)) / 0.1
    assert torch.allclose(slope, velocity_target(latents, noise), atol=1e-4)


def test_the_velocity_leads_back_to_the_data() -> None:
    latents, noise, sigma = torch.randn(1, 16, 3, 4, 6), torch.randn(1, 16, 3, 4, 6), torch.tensor([0.7])
    assert torch.allclose(
        noisy_latents(latents, noise, sigma) - 0.7 * velocity_target(latents, noise), latents, atol=1e-5
    )


def test_timesteps_are_thousandths() -> None:
    assert timesteps_of(torch.tensor([0.25, 1.0])).tolist() == [250.0, 1000.0]


@pytest.mark.parametrize("sampling", ["logit_normal", "uniform"])
def test_noise_levels_rise_with_the_quantile_and_with_the_shift(sampling: SigmaSampling) -> None:
    quantiles = torch.linspace(0.001, 0.999, 99)
    plain, shifted = (sigmas_at(quantiles, sampling, shift) for shift in (1.0, 3.0))
    assert (plain.diff() > 0).all()
    assert (shifted > plain).all()
    assert 0 < float(shifted.min()) < float(shifted.max()) < 1
    assert float(sigmas_at(torch.tensor(0.5), sampling, 1.0)) == pytest.approx(0.5)
    assert float(sigmas_at(torch.tensor(0.5), sampling, 3.0)) == pytest.approx(0.75)


def test_the_logit_normal_is_one() -> None:
    logits = sigmas_at(torch.linspace(0.0005, 0.9995, 1000), "logit_normal", 1.0).logit()
    assert float(logits.mean()) == pytest.approx(0, abs=1e-3)
    assert float(logits.std()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("start", [0, 12_345, 10**9])
def test_every_stretch_of_positions_covers_the_noise_levels_evenly(start: int) -> None:
    quantiles = torch.tensor([quantile_at(position, 0.37) for position in range(start, start + 16)])
    counts = torch.histc(quantiles, bins=4, min=0, max=1)
    assert int(counts.min()) >= 3
    assert int(counts.max()) <= 5


@pytest.mark.parametrize("sampling", ["logit_normal", "uniform"])
def test_a_noise_level_knows_its_quantile(sampling: SigmaSampling) -> None:
    for shift in (1.0, 3.0):
        for quantile in (0.1, 0.5, 0.9):
            sigma = float(sigmas_at(torch.tensor(quantile), sampling, shift))
            assert quantile_of(sigma, sampling, shift) == pytest.approx(quantile, abs=1e-6)
