"""The loss history's test, on histories with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.decision.convergence import judge_convergence

STEPS = np.arange(400)


def noisy(mean: np.ndarray, seed: int, spread: float = 0.25) -> list[float]:
    """Losses around a mean curve, as uneven as noise levels make them."""
    return list(mean * np.random.default_rng(seed).lognormal(sigma=spread, size=len(mean)))


@pytest.mark.parametrize("seed", range(5))
def test_a_falling_curve_passes(seed: int) -> None:
    trend = judge_convergence([noisy(0.2 + 0.8 * np.exp(-STEPS / 60), seed)], 0.2)
    assert trend is not None
    assert trend.high is not None
    assert trend.high < 1
    assert not trend.rising


@pytest.mark.parametrize("seed", range(5))
def test_a_flat_curve_does_not_pass(seed: int) -> None:
    trend = judge_convergence([noisy(np.ones(400), seed + 10)], 0.2)
    assert trend is not None
    assert trend.high is not None
    assert trend.high > 1
    assert not trend.rising


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_that_climbs_back_is_rising(seed: int) -> None:
    mean = 0.2 + 0.8 * np.exp(-STEPS / 60) + np.clip(STEPS - 300, 0, None) * 0.004
    trend = judge_convergence([noisy(mean, seed)], 0.2)
    assert trend is not None
    assert trend.rising


@pytest.mark.parametrize("seed", range(5))
def test_a_plateau_is_not_rising(seed: int) -> None:
    trend = judge_convergence([noisy(0.3 + 0.7 * np.exp(-STEPS / 20), seed)], 0.2)
    assert trend is not None
    assert not trend.rising


def test_still_falling_is_seen_and_a_plateau_is_not() -> None:
    falling = judge_convergence([noisy(1 - STEPS / 500, 0)], 0.2)
    plateau = judge_convergence([noisy(0.3 + 0.7 * np.exp(-STEPS / 20), 0)], 0.2)
    assert falling is not None
    assert falling.still_falling
    assert plateau is not None
    assert not plateau.still_falling


def test_a_rise_in_stage_2_alone_is_seen() -> None:
    stage1 = noisy(0.2 + 0.8 * np.exp(-STEPS / 60), 1)
    stage2 = noisy(0.2 + STEPS / 400, 2)
    trend = judge_convergence([stage1, stage2], 0.2)
    assert trend is not None
    assert trend.rising


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_one_non_finite_loss_is_named(bad: float) -> None:
    losses = noisy(np.ones(50), 0)
    losses[33] = bad
    trend = judge_convergence([losses], 0.2)
    assert trend is not None
    assert trend.ratio is None
    assert trend.first_non_finite_step == 33


@pytest.mark.parametrize("histories", [[], [[1.0, 0.5]], [[1.0] * 4, [0.5] * 5]])
def test_too_short_a_history_is_not_judged(histories: list[list[float]]) -> None:
    assert judge_convergence(histories, 0.2) is None
