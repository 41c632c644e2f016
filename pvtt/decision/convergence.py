"""Did the training loss converge? A robust test of a noisy history.

A flow-matching loss jumps from batch to batch with the noise levels drawn, so single values and straight-line fits
mislead. Medians of windows are compared instead, each with a bootstrap interval:

- *fell*: the last window's median lies below the first window's, with the whole 95 % interval of their ratio below 1;
- *rising*: the last window lies above the lowest earlier window by more than `RISE_TOLERANCE`, with the whole interval.
  The lowest of several windows is low partly by luck, hence the tolerance;
- *still falling*: the last window lies below the window just before it, with the whole interval.

The loss of all training stages is judged as one history, since stage 2 starts where stage 1 ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pvtt.records.decision import LossTrend
from pvtt.stats.bootstrap import median_ratio

MIN_WINDOW = 5  # steps; a history shorter than two windows of this size is not judged
RISE_TOLERANCE = 1.10


def judge_convergence(
    histories: Sequence[Sequence[float]], window: float, seed: int = 0, *, continued: bool = False
) -> LossTrend | None:
    """Judge the loss history of the training stages, in their order.

    Args:
        histories: The training loss at each logged step, one sequence a stage.
        window: Fraction of the joined history at each end that is compared, in (0, 0.5].
        seed: Seed of the bootstrap.
        continued: Training started from a trained model.

    Returns:
        The trend; None where the history is too short to tell (and finite).
    """
    losses = np.asarray([loss for history in histories for loss in history], dtype=np.float64)
    finite = np.isfinite(losses)
    if not finite.all():
        return LossTrend(
            ratio=None,
            low=None,
            high=None,
            num_steps=len(losses),
            first_non_finite_step=int(np.argmin(finite)),
            continued=continued,
        )
    size = max(MIN_WINDOW, math.floor(min(window, 0.5) * len(losses)))
    if len(losses) < 2 * size:
        return None
    # Windows are counted from the end, so that the last one is whole.
    windows = [losses[end - size : end] for end in range(len(losses), size - 1, -size)]
    last, earlier = windows[0], windows[1:]
    ratio, low, high = median_ratio(last, losses[:size], seed=seed)
    best = min(earlier, key=np.median)
    return LossTrend(
        ratio=ratio,
        low=low,
        high=high,
        num_steps=len(losses),
        continued=continued,
        rising=median_ratio(last, best, seed=seed)[1] > RISE_TOLERANCE,
        still_falling=median_ratio(last, earlier[0], seed=seed)[2] < 1,
    )
