"""Kendall's tau-b over pairs, held against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from pvtt.stats.rank_correlation import pair_kendall


@pytest.mark.parametrize("seed", range(8))
def test_over_all_pairs_it_is_scipys(seed: int) -> None:
    random = np.random.default_rng(seed)
    figures, human = random.integers(5, size=9), random.integers(4, size=9)  # with ties
    first, second = np.triu_indices(9, 1)
    found = pair_kendall(figures[first] - figures[second], human[first] - human[second], ["P"] * len(first))
    assert found is not None
    assert found[0] == pytest.approx(kendalltau(figures, human).statistic)
    assert found[1:] == (None, None)  # of one product


def test_an_interval_holds_the_value_and_stays_within_one() -> None:
    random = np.random.default_rng(1)
    votes = random.choice([-1, 0, 1], size=60)
    figures = np.where(random.random(60) < 0.8, votes, -votes) * random.random(60)
    products = [str(number // 3) for number in range(60)]
    found = pair_kendall(figures, votes, products)
    assert found is not None
    value, low, high = found
    assert low is not None
    assert high is not None
    assert -1 <= low < value < high <= 1
    assert pair_kendall(figures, votes, products) == found


def test_where_all_pairs_agree_the_interval_is_that_of_as_many_products() -> None:
    votes = np.array([1, -1, 1, 0, 1, -1])
    assert pair_kendall(votes, votes, list("aabbcc")) == pytest.approx((1, 2 * 0.025 ** (1 / 3) - 1, 1))
    assert pair_kendall(-votes, votes, list("aabbcc")) == pytest.approx((-1, -1, 1 - 2 * 0.025 ** (1 / 3)))


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_intervals_hold_the_truth(spread: float) -> None:
    random = np.random.default_rng(7)
    products = [str(number // 6) for number in range(24 * 6)]

    def drawn(num: int) -> tuple[np.ndarray, np.ndarray]:
        """Differences as a metric sees them and as people do, whose error is alike within a product."""
        true = random.normal(size=num)
        error = np.repeat(random.normal(scale=spread, size=num // 6), 6) + random.normal(size=num)
        return true, np.where(np.abs(true + error) < 0.3, 0, true + error)

    exact = pair_kendall(*drawn(120_000), ["all"] * 120_000)
    assert exact is not None
    hits = 0
    for run in range(60):
        found = pair_kendall(*drawn(24 * 6), products, resamples=300, seed=run)
        assert found is not None
        hits += (found[1] or 0) <= exact[0] <= (found[2] or 0)
    assert hits / 60 > 0.88


def test_where_all_are_equal_there_is_none() -> None:
    assert pair_kendall([0, 0], [1, -1], ["a", "b"]) is None
    assert pair_kendall([1, 2], [0, 0], ["a", "b"]) is None
    assert pair_kendall([], [], []) is None
