"""Bootstrap intervals that resample whole products.

Clips of one product resemble each other, so resampling clips would make intervals too narrow. Products are drawn with
replacement instead (the cluster bootstrap: Davison and Hinkley, *Bootstrap Methods and their Application*, 1997,
section 3.8), and a percentile interval is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, over `n` samples in `num_clusters` clusters."""

    value: float
    low: float
    high: float
    n: int
    num_clusters: int


def cluster_mean(
    values: ArrayLike,
    clusters: Sequence[str],
    *,
    weights: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """The mean of `values` and its interval, resampling clusters.

    Args:
        values: (N,) finite measurements. For a paired comparison, the differences.
        clusters: (N,) the cluster of each value, for example its product id.
        weights: (N,) non-negative, not all zero. With ratios a/b as values and b as weights, the result is the ratio of
            the sums.
        resamples: Number of bootstrap resamples.
        seed: Of the resampling; equal inputs and seed give equal intervals.

    Raises:
        ValueError: No values, or lengths that differ.
    """
    data = np.asarray(values, dtype=np.float64)
    weight = np.ones_like(data) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(data) == len(clusters) == len(weight) or len(data) == 0:
        raise ValueError(
            f"{len(data)} values, {len(clusters)} clusters and {len(weight)} weights: need as many of each, at least 1"
        )
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(index, weights=data * weight)  # (P,)
    totals = np.bincount(index, weights=weight)  # (P,)
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    drawn_totals = totals[drawn].sum(axis=1)
    means = sums[drawn].sum(axis=1)[drawn_totals > 0] / drawn_totals[drawn_totals > 0]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(float(sums.sum() / totals.sum()), float(low), float(high), len(data), len(names))


def median_ratio(
    numerator: ArrayLike, denominator: ArrayLike, *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """median(numerator) / median(denominator) of two independent samples, and its 95 % interval.

    Returns:
        The ratio, and the interval's low and high end.
    """
    above, below = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    random = np.random.default_rng(seed)
    drawn_above = np.median(above[random.integers(len(above), size=(resamples, len(above)))], axis=1)
    drawn_below = np.median(below[random.integers(len(below), size=(resamples, len(below)))], axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn_above / drawn_below, [tail, 1 - tail])
    return float(np.median(above) / np.median(below)), float(low), float(high)
