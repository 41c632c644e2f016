"""Cluster bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.stats.bootstrap import cluster_mean, median_ratio


def test_mean_and_interval_of_known_data() -> None:
    random = np.random.default_rng(1)
    values = random.normal(5, 1, size=400)
    estimate = cluster_mean(values, [str(i) for i in range(400)])
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert (estimate.n, estimate.num_clusters) == (400, 400)


def test_clips_of_one_product_do_not_narrow_the_interval() -> None:
    products = np.random.default_rng(2).normal(size=10)
    once = cluster_mean(products, [str(i) for i in range(10)])
    ten_times = cluster_mean(np.repeat(products, 10), [str(i) for i in range(10) for _ in range(10)])
    assert ten_times.high - ten_times.low == pytest.approx(once.high - once.low)
    assert ten_times.n == 100


def test_coverage_of_the_interval_over_clusters() -> None:
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        effects = random.normal(size=25)
        values = (effects[:, None] + random.normal(scale=0.3, size=(25, 4))).ravel()
        estimate = cluster_mean(values, [str(i) for i in range(25) for _ in range(4)], resamples=400)
        hits += estimate.low <= 0 <= estimate.high
    assert hits / 200 > 0.88


def test_weights_give_the_ratio_of_sums() -> None:
    top, bottom = np.array([1.0, 8.0, 3.0]), np.array([1.0, 4.0, 2.0])
    assert cluster_mean(top / bottom, ["a", "b", "c"], weights=bottom).value == pytest.approx(12 / 7)


def test_equal_seeds_give_equal_intervals() -> None:
    arguments = ([1.0, 2.0, 5.0], ["a", "b", "c"])
    assert cluster_mean(*arguments, seed=4) == cluster_mean(*arguments, seed=4)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="0 values"):
        cluster_mean([], [])


def test_median_ratio() -> None:
    random = np.random.default_rng(5)
    ratio, low, high = median_ratio(random.normal(2, 0.1, 200), random.normal(4, 0.1, 200))
    assert low < 0.5 < high
    assert ratio == pytest.approx(0.5, abs=0.01)
