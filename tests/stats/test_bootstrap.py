"""Cluster bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.stats.bootstrap import cluster_mean, cluster_share


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


@pytest.mark.parametrize(("num_products", "num_clips"), [(5, 2), (8, 2), (16, 1), (25, 4)])
def test_coverage_with_few_products(num_products: int, num_clips: int) -> None:
    random = np.random.default_rng(3)
    clusters = [str(i) for i in range(num_products) for _ in range(num_clips)]
    hits = 0
    for run in range(300):
        effects = random.normal(size=num_products)
        values = (effects[:, None] + random.normal(scale=0.5, size=(num_products, num_clips))).ravel()
        estimate = cluster_mean(values, clusters, resamples=300, seed=run)
        hits += estimate.low <= 0 <= estimate.high
    assert hits / 300 > 0.91  # 0.95 less two standard errors of 300 runs and what 300 resamples miss


@pytest.mark.parametrize(("ones", "n", "low"), [(16, 16, 0.7941), (8, 8, 0.6306), (15, 16, 0.6977)])
def test_a_share_of_single_samples_has_clopper_and_pearsons_interval(ones: int, n: int, low: float) -> None:
    values = [1.0] * ones + [0.0] * (n - ones)
    estimate = cluster_share(values, [str(i) for i in range(n)])
    assert estimate.value == pytest.approx(ones / n)
    assert estimate.low == pytest.approx(low, abs=0.002)
    assert (estimate.high == 1) == (ones == n)


def test_clips_that_agree_are_worth_one_a_product() -> None:
    once = cluster_share([1.0, 0.0, 1.0, 1.0, 1.0, 0.0], list("abcdef"))
    twice = cluster_share(np.repeat([1.0, 0.0, 1.0, 1.0, 1.0, 0.0], 2), [c for c in "abcdef" for _ in range(2)])
    assert twice.high - twice.low > 0.9 * (once.high - once.low)
    all_alike = cluster_share([1.0] * 12, [c for c in "abcdef" for _ in range(2)])
    assert all_alike.low == pytest.approx(0.025 ** (1 / 6))


@pytest.mark.parametrize("values", [[0.5, 1.0], [1.0]])
def test_a_share_needs_zeros_and_ones_of_two_products(values: list[float]) -> None:
    with pytest.raises(ValueError, match="need"):
        cluster_share(values, ["a", "b"][: len(values)])


def test_weights_give_the_ratio_of_sums() -> None:
    top, bottom = np.array([1.0, 8.0, 3.0]), np.array([1.0, 4.0, 2.0])
    assert cluster_mean(top / bottom, ["a", "b", "c"], weights=bottom).value == pytest.approx(12 / 7)


def test_equal_seeds_give_equal_intervals() -> None:
    arguments = ([1.0, 2.0, 5.0], ["a", "b", "c"])
    assert cluster_mean(*arguments, seed=4) == cluster_mean(*arguments, seed=4)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="0 values"):
        cluster_mean([], [])
