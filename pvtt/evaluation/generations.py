"""Several generations of each sample: their mean is the sample's figure, their spread the seed's noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pvtt.evaluation.metrics.metric import Values
from pvtt.records.evaluation import EvaluatedSample


def averaged(generations: Sequence[Values]) -> dict[str, float | None]:
    """Each metric's mean over a sample's generations; None where any of them has none.

    Args:
        generations: At least one, with the same metrics.
    """
    return {name: _mean([values[name] for values in generations]) for name in generations[0]}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None


def each_generation(sample: EvaluatedSample, name: str) -> tuple[float, ...]:
    """A metric of each of a sample's generations; nothing where the sample has no figure."""
    if sample.metrics.get(name) is None:
        return ()
    found = [values.get(name) for values in sample.generations or (sample.metrics,)]
    return tuple(value for value in found if value is not None)


def seed_noise(samples: Sequence[EvaluatedSample], name: str) -> float | None:
    """The standard deviation of a metric between a sample's generations, pooled over samples.

    It is that of one generation of one sample: the mean over N samples of S generations moves by it over √(N·S). None
    where no sample has two generations.
    """
    squares, freedom = 0.0, 0
    for sample in samples:
        values = each_generation(sample, name)
        if len(values) > 1:
            mean = math.fsum(values) / len(values)
            squares += math.fsum((value - mean) ** 2 for value in values)
            freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom else None
