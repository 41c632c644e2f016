"""Krippendorff's alpha: how far raters agree beyond chance, for any number of raters and missing ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations


def krippendorff_alpha(units: Sequence[Sequence[float]]) -> float | None:
    """Alpha with the ordinal metric: scores have an order, but the step from 1 to 2 need not be that from 4 to 5.

    Two scores are as far apart as there are ratings between them, those equal to either counted half: the difference of
    their mean ranks. Krippendorff 2011, *Computing Krippendorff's Alpha-Reliability*, section D: 1 - observed over
    expected disagreement.
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
    counts = Counter(values)
    ordered = sorted(counts)
    ranks = {value: sum(counts[below] for below in ordered if below < value) + counts[value] / 2 for value in ordered}
    ranked = [[ranks[value] for value in unit] for unit in paired]
    # Each unordered pair stands for two ordered ones; a unit of m ratings weighs its pairs by 1 / (m - 1).
    observed = sum(2 * (a - b) ** 2 / (len(unit) - 1) for unit in ranked for a, b in combinations(unit, 2))
    expected = sum(2 * (a - b) ** 2 for a, b in combinations([rank for unit in ranked for rank in unit], 2))
    expected /= len(values) - 1
    return 1.0 if expected == 0 else 1 - observed / expected
