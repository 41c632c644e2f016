"""The loss history's test, on histories with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.decision.convergence import judge_convergence, judge_validation

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


def alike(num_steps: int, likeness: float, seed: int, spread: float = 0.25) -> np.ndarray:
    """Flat noise whose neighbours resemble each other: a first-order autoregression."""
    drawn = np.random.default_rng(seed).normal(size=num_steps)
    for step in range(1, num_steps):
        drawn[step] = likeness * drawn[step - 1] + np.sqrt(1 - likeness**2) * drawn[step]
    return np.exp(spread * drawn)


@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.8, 0.9])
def test_a_flat_loss_whose_steps_are_alike_seldom_seems_to_move(likeness: float) -> None:
    trends = [judge_convergence([list(alike(400, likeness, seed))], 0.2) for seed in range(150)]
    fell = [trend for trend in trends if trend is not None and trend.high is not None and trend.high < 1]
    assert len(fell) <= 0.08 * len(trends)
    assert sum(trend is not None and trend.rising for trend in trends) <= 0.1 * len(trends)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_a_divergence_at_the_very_end_is_rising(share: float, seed: int) -> None:
    mean = 0.2 + 0.8 * np.exp(-STEPS / 60)
    mean[round(400 * (1 - share)) :] *= 10
    trend = judge_convergence([noisy(mean, seed)], 0.2)
    assert trend is not None
    assert trend.rising


@pytest.mark.parametrize(
    ("losses", "best_step", "rising"),
    [
        ([0.5, 0.4, 0.3, 0.2], 300, False),
        ([0.5, 0.3, 0.32, 0.35], 100, True),
        ([0.5, 0.3, 0.301, 0.302], 100, False),  # within the tolerance
        ([0.5, 0.4, 0.3, 0.35], 200, False),  # one point is not a trend
        ([0.3, 0.4, 0.5], 0, True),
    ],
)
def test_the_validation_loss_is_judged_by_its_lowest_point(losses: list[float], best_step: int, rising: bool) -> None:
    trend = judge_validation([(100 * number, loss) for number, loss in enumerate(losses)])
    assert trend is not None
    assert (trend.best_step, trend.rising) == (best_step, rising)


def test_one_validation_is_no_trend() -> None:
    assert judge_validation([(0, 0.5)]) is None


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
