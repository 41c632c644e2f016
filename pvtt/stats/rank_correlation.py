"""How far a figure ranks things as people do who saw some of them in pairs.

Kendall's tau-b over the pairs that were voted on: concordant less discordant ones, over the geometric mean of those
that the figure tells apart and those that people tell apart. Where each pair was voted on, and votes rank the things,
this is the tau-b of both rankings; where some were not, it is of those that were, and no ranking has to be made up.

Intervals resample clusters, and are never narrower than the exact ones of the share of concordant pairs among those
that both tell apart (`cluster_share`): where all are concordant, so are all resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pvtt.stats.bootstrap import MIN_CLUSTERS, cluster_share, widened

Floats = npt.NDArray[np.float64]


def pair_kendall(
    figures: Sequence[float], votes: Sequence[float], clusters: Sequence[str], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float | None, float | None] | None:
    """Tau-b and its 95 % interval, resampling clusters.

    Args:
        figures: (N,) of each pair, the first thing's figure less the second's, higher being better.
        votes: (N,) of each pair, votes for the first less those for the second.
        clusters: (N,) of each pair, for example the product's id.
        resamples: Number of bootstrap resamples.
        seed: Of the resampling.

    Returns:
        Value, low and high; no interval with fewer than `MIN_CLUSTERS` clusters. None where one side holds all pairs
        equal, or there are none.
    """
    first, second = np.sign(figures), np.sign(votes)
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    parts = np.zeros(
        (len(names), 3)
    )  # of each cluster: concordant less discordant, and pairs that each side tells apart
    for column, values in enumerate((first * second, np.abs(first), np.abs(second))):
        parts[:, column] = np.bincount(index, weights=values, minlength=len(names))
    value = _tau(parts.sum(axis=0, keepdims=True))
    if len(value) == 0:
        return None
    if len(names) < MIN_CLUSTERS:
        return float(value[0]), None, None
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    low, high = widened(_tau(parts[drawn].sum(axis=1)), float(value[0]), len(names))
    apart = np.flatnonzero(first * second)
    if len(np.unique(index[apart])) >= MIN_CLUSTERS:
        share = cluster_share(first[apart] == second[apart], [str(names[place]) for place in index[apart]])
        scale = len(apart) / np.sqrt(parts[:, 1].sum() * parts[:, 2].sum())
        low, high = min(low, scale * (2 * share.low - 1)), max(high, scale * (2 * share.high - 1))
    return float(value[0]), max(-1.0, float(low)), min(1.0, float(high))


def _tau(parts: Floats) -> Floats:
    """Of each row for which it is defined."""
    defined = parts[(parts[:, 1] > 0) & (parts[:, 2] > 0)]
    return np.asarray(defined[:, 0] / np.sqrt(defined[:, 1] * defined[:, 2]))
