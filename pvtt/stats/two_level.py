"""Intervals of a mean over training seeds and products, and of paired differences between two rows of a table.

Every seed is measured on the same products, so a value belongs to a seed and a product at once (crossed, not nested).
What another seed, and what other products, would have given are two sources of chance, and the interval has both:

- products are resampled, all seeds' values of a product together, and the interval's ends moved outwards as few
  products ask for (`pvtt.stats.bootstrap`);
- to each resample, a draw from Student's t with S - 1 degrees of freedom is added, times the standard error of the S
  seeds' means (a parametric bootstrap). Resampling the seeds themselves, as the pigeonhole bootstrap does (Owen,
  *Annals of Applied Statistics* 1, 2007), fails at three of them: where seeds are all that differs, its interval is
  about as wide as the range of three values, which holds the truth in 75 % of cases.

Measured on 1,000 simulated truths each, 3 seeds and 30 products, whether products, seeds, both or noise differ most:
intervals of 95 % hold the truth in 94-97 %, those of paired differences in 95 %. `tests/stats/test_two_level.py` does
the same with fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pvtt.stats.bootstrap import MIN_CLUSTERS, widened

Floats = npt.NDArray[np.float64]

RESAMPLES = 10_000


@dataclass(frozen=True)
class Measurement:
    """One sample's value in one seed's run.

    Args:
        seed: Of the training.
        product: Whose sample it is.
        sample: Which of the product's; two rows are paired by all three.
        value: Finite.
        weight: Of the value in its seed's mean: with ratios a/b as values and b as weights, that is the ratio of sums.
    """

    seed: int
    product: str
    sample: str
    value: float
    weight: float = 1.0


@dataclass(frozen=True)
class TwoLevelEstimate:
    """A mean over seeds with its 95 % interval.

    With one seed the interval is over products alone: it does not know what another seed would give.
    """

    value: float
    low: float
    high: float
    num_seeds: int
    num_products: int
    n: int  # samples, over all seeds together

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def two_level_mean(
    measurements: Sequence[Measurement], *, resamples: int = RESAMPLES, seed: int = 0
) -> TwoLevelEstimate:
    """The mean over seeds of each seed's (weighted) mean.

    Args:
        measurements: At least one; products that a seed lacks are left out of that seed's mean.
        resamples: Draws behind the interval.
        seed: Of the draws; equal inputs and seed give equal intervals.

    Raises:
        ValueError: There are none, or of one product alone.
    """
    return _estimate([measurements], resamples, seed)


def paired_difference(
    measurements: Sequence[Measurement], reference: Sequence[Measurement], *, resamples: int = RESAMPLES, seed: int = 0
) -> TwoLevelEstimate | None:
    """The mean difference to a reference, over the seeds and samples that both have; None where they share
    fewer than two products.

    Pairing takes out what both rows have in common: the product, the clip, and a seed's noise and order of samples.

    Args:
        measurements: Of the row.
        reference: Of what it is compared with.
        resamples: As for `two_level_mean`.
        seed: As for `two_level_mean`.
    """
    common = {_place(one) for one in measurements} & {_place(one) for one in reference}
    if len({product for _, product, _ in common}) < MIN_CLUSTERS:
        return None
    rows = [[one for one in row if _place(one) in common] for row in (measurements, reference)]
    return _estimate(rows, resamples, seed)


def _place(one: Measurement) -> tuple[int, str, str]:
    return one.seed, one.product, one.sample


def _estimate(rows: Sequence[Sequence[Measurement]], resamples: int, seed: int) -> TwoLevelEstimate:
    """Of one row's mean, or of the first's minus the second's, drawn together."""
    first = rows[0]
    if not first:
        raise ValueError("no measurements: need at least 1")
    seeds = sorted({one.seed for one in first})
    products = sorted({one.product for one in first})
    random = np.random.default_rng(seed)
    shares = np.full(len(products), 1 / len(products))
    counts = random.multinomial(len(products), shares, size=resamples).astype(np.float64)  # (B, P)
    of_seeds, drawn = _means(first, seeds, products, counts)
    for other in rows[1:]:
        of_seeds_other, drawn_other = _means(other, seeds, products, counts)
        of_seeds, drawn = of_seeds - of_seeds_other, drawn - drawn_other
    means = np.nanmean(drawn, axis=1)
    if len(seeds) > 1:
        error = of_seeds.std(ddof=1) / np.sqrt(len(seeds))
        means = means + error * random.standard_t(len(seeds) - 1, size=resamples)
    low, high = widened(means, float(of_seeds.mean()), len(products))
    return TwoLevelEstimate(float(of_seeds.mean()), low, high, len(seeds), len(products), len(first))


def _means(
    row: Sequence[Measurement], seeds: Sequence[int], products: Sequence[str], counts: Floats
) -> tuple[Floats, Floats]:
    """Each seed's mean over all products, (S,), and over the products of each resample, (B, S).

    The latter is nan where a resample has no product of the seed.
    """
    sums, totals = np.zeros((2, len(seeds), len(products)))
    places = {seed: number for number, seed in enumerate(seeds)}, {name: number for number, name in enumerate(products)}
    for one in row:
        place = places[0][one.seed], places[1][one.product]
        sums[place] += one.value * one.weight
        totals[place] += one.weight
    with np.errstate(invalid="ignore"):
        return sums.sum(axis=1) / totals.sum(axis=1), (counts @ sums.T) / (counts @ totals.T)
