"""Intervals over seeds and products hold a simulated truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.stats.bootstrap import cluster_mean
from pvtt.stats.two_level import Measurement, TwoLevelEstimate, paired_difference, two_level_mean

TRUTH = 16.0
NUM_RUNS = 200
LEAST = 0.9  # of 200 runs of an interval of 95 %: three standard deviations below


def simulate(
    random: np.random.Generator,
    *,
    seed_effects: np.ndarray,
    product_effects: np.ndarray,
    noise: float,
    mean: float = TRUTH,
) -> list[Measurement]:
    """A row: two samples a product, each seed measured on the same ones."""
    return [
        Measurement(seed, f"P{product:03d}", f"{sample}", mean + by_seed + by_product + noise * random.normal())
        for seed, by_seed in enumerate(seed_effects)
        for product, by_product in enumerate(product_effects)
        for sample in range(2)
    ]


def share_of_hits(estimates: list[TwoLevelEstimate], truth: float) -> float:
    return float(np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]))


@pytest.mark.parametrize(
    ("by_seed", "by_product", "noise"),
    [(0.0, 1.0, 0.3), (0.3, 1.0, 0.3), (1.0, 0.1, 0.1), (0.2, 0.2, 1.0)],
    ids=["products differ", "both differ", "seeds differ", "all noise"],
)
def test_the_interval_of_three_seeds_holds_the_truth(by_seed: float, by_product: float, noise: float) -> None:
    random = np.random.default_rng(1)
    estimates = []
    for run in range(NUM_RUNS):
        row = simulate(
            random,
            seed_effects=by_seed * random.normal(size=3),
            product_effects=by_product * random.normal(size=30),
            noise=noise,
        )
        estimates.append(two_level_mean(row, resamples=500, seed=run))
    assert share_of_hits(estimates, TRUTH) >= LEAST
    assert (estimates[0].num_seeds, estimates[0].num_products, estimates[0].n) == (3, 30, 180)


def test_an_interval_over_products_alone_fails_where_seeds_differ() -> None:
    """What the second level is for: an interval of 95 % that knows no seeds holds the truth in less than half."""
    random = np.random.default_rng(2)
    hits = []
    for run in range(NUM_RUNS):
        row = simulate(random, seed_effects=random.normal(size=3), product_effects=np.zeros(30), noise=1.0)
        flat = cluster_mean([one.value for one in row], [one.product for one in row], resamples=500, seed=run)
        hits.append(flat.low <= TRUTH <= flat.high)
    assert np.mean(hits) < 0.5


def test_pairing_takes_out_what_both_rows_share() -> None:
    random = np.random.default_rng(3)
    widths, estimates = [], []
    for run in range(NUM_RUNS):
        # Half of a seed's effect is its order and noise, which both rows see; half is the row's own.
        shared_seed, shared_product = 0.3 * random.normal(size=3), 3 * random.normal(size=30)
        rows = [
            simulate(
                random,
                seed_effects=shared_seed + 0.3 * random.normal(size=3),
                product_effects=shared_product + 0.2 * random.normal(size=30),
                noise=0.2,
                mean=mean,
            )
            for mean in (TRUTH - 1, TRUTH)
        ]
        difference = paired_difference(*rows, resamples=500, seed=run)
        assert difference is not None
        estimates.append(difference)
        alone = two_level_mean(rows[0], resamples=500, seed=run)
        widths.append((difference.high - difference.low) / (alone.high - alone.low))
    assert share_of_hits(estimates, -1.0) >= LEAST
    assert np.mean([estimate.value for estimate in estimates]) == pytest.approx(-1.0, abs=0.05)
    assert np.median(widths) < 0.8


def test_a_difference_is_of_what_both_rows_have() -> None:
    row = [Measurement(seed, product, "1", 5.0) for seed in (0, 1) for product in "AB"]
    reference = [Measurement(0, product, "1", value) for product, value in (("A", 3.0), ("B", 4.0), ("C", 90.0))]
    difference = paired_difference(row, reference)
    assert difference is not None
    assert (difference.value, difference.num_seeds, difference.num_products) == (1.5, 1, 2)
    assert paired_difference(row, [Measurement(7, "A", "1", 3.0)]) is None


def test_a_rows_difference_to_itself_is_nothing() -> None:
    row = simulate(
        np.random.default_rng(4), seed_effects=np.array([0.0, 1.0]), product_effects=np.arange(5.0), noise=1.0
    )
    difference = paired_difference(row, row)
    assert difference is not None
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_the_value_is_the_mean_of_the_seeds_own_ratios_of_sums() -> None:
    row = [
        Measurement(0, "A", "1", 1.0, weight=1.0),
        Measurement(0, "B", "1", 4.0, weight=3.0),
        Measurement(1, "A", "1", 2.0, weight=1.0),
        Measurement(1, "B", "1", 2.0, weight=3.0),
    ]
    assert two_level_mean(row).value == pytest.approx(((1 + 12) / 4 + 2) / 2)


def test_one_seed_has_the_products_interval_alone() -> None:
    row = simulate(np.random.default_rng(5), seed_effects=np.zeros(1), product_effects=np.arange(20.0), noise=0.1)
    flat = cluster_mean([one.value for one in row], [one.product for one in row], resamples=10_000)
    estimate = two_level_mean(row)
    assert (estimate.low, estimate.high) == pytest.approx((flat.low, flat.high), rel=0.02)


def test_equal_inputs_and_seed_give_equal_intervals_whatever_the_order() -> None:
    row = simulate(np.random.default_rng(6), seed_effects=np.arange(3.0), product_effects=np.arange(9.0), noise=1.0)
    assert two_level_mean(row, seed=4) == two_level_mean(sorted(row, key=lambda one: one.seed), seed=4)


def test_no_measurements_are_refused() -> None:
    with pytest.raises(ValueError, match="no measurements"):
        two_level_mean([])
