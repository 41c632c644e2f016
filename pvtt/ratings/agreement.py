"""Krippendorff's alpha: how far raters agree beyond chance, for any number of raters and missing ratings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations


def krippendorff_alpha(units: Sequence[Sequence[float]]) -> float | None:
    """Alpha with the interval metric, (a - b)².

    Krippendorff 2011, *Computing Krippendorff's Alpha-Reliability*, section D: 1 - observed / expected disagreement.
    1 is full agreement, 0 what chance gives, below 0 systematic disagreement.

    Args:
        units: For each rated thing, its ratings, in any order; things with fewer than two ratings are left out.

    Returns:
        None with nothing rated twice. 1 where all ratings are equal.
    """
    paired = [unit for unit in units if len(unit) > 1]
    values = [value for unit in paired for value in unit]
    if not values:
        return None
    # Each unordered pair stands for two ordered ones; a unit of m ratings weighs its pairs by 1 / (m - 1).
    observed = sum(2 * (a - b) ** 2 / (len(unit) - 1) for unit in paired for a, b in combinations(unit, 2))
    expected = sum(2 * (a - b) ** 2 for a, b in combinations(values, 2)) / (len(values) - 1)
    return 1.0 if expected == 0 else 1 - observed / expected
