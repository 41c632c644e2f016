"""How often intervals over few products hold the truth: `pytest tests/benchmarks/test_coverage.py -s` prints it."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.stats.bootstrap import cluster_mean, cluster_share

RUNS = 2000
SIZES = [(5, 2), (8, 2), (16, 1)]


@pytest.mark.parametrize(("num_products", "num_clips"), SIZES)
def test_means(num_products: int, num_clips: int) -> None:
    """Truth 0; products differ by 1, clips of one product by 0, 0.5 or 2 standard deviations."""
    clusters = [str(i) for i in range(num_products) for _ in range(num_clips)]
    for spread in (0.0, 0.5, 2.0):
        random = np.random.default_rng(0)
        held = above = 0
        for run in range(RUNS):
            noise = random.normal(scale=spread, size=(num_products, num_clips))
            values = (random.normal(size=num_products)[:, None] + noise).ravel()
            estimate = cluster_mean(values, clusters, resamples=1000, seed=run)
            held += estimate.low <= 0 <= estimate.high
            above += estimate.low > 0
        print(f"mean  {num_products:2}x{num_clips} clips {spread}: {held / RUNS:.3f} hold it, {above / RUNS:.3f} above")
        assert held / RUNS >= 0.93


@pytest.mark.parametrize(("num_products", "num_clips"), SIZES)
def test_shares(num_products: int, num_clips: int) -> None:
    """Of samples that are independent, and of products whose clips all agree."""
    clusters = [str(i) for i in range(num_products) for _ in range(num_clips)]
    for truth in (0.5, 0.8, 0.95):
        for agree in (False, True):
            random = np.random.default_rng(0)
            held = 0
            for _ in range(RUNS):
                drawn = random.random((num_products, 1 if agree else num_clips)) < truth
                values = np.broadcast_to(drawn, (num_products, num_clips)).ravel().astype(float)
                estimate = cluster_share(values, clusters)
                held += estimate.low <= truth <= estimate.high
            print(f"share {num_products:2}x{num_clips} of {truth}, agree {agree}: {held / RUNS:.3f} hold it")
            assert held / RUNS >= 0.93
