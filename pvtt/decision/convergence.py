"""Did the training converge? Robust tests of a noisy loss history, and a look at the validation loss.

A flow-matching loss jumps from batch to batch with the noise levels drawn, and neighbouring steps resemble each other,
so single values, straight-line fits and tests that take steps for independent mislead. Windows of the log loss are
compared instead, each with an interval that knows how much its steps resemble each other:

- *fell*: the last window lies below the first one, with the whole 95 % interval of their ratio below 1;
- *rising*: the last window, or one of the shorter ones at the very end (`ENDS`), lies above the lowest window before it
  by more than `RISE_TOLERANCE`, with its whole interval. The lowest of several windows is low partly by luck, hence the
  tolerance;
- *still falling*: the last window lies below the window just before it, with the whole interval.

The loss of all training stages is judged as one history, since stage 2 starts where stage 1 ended.

The validation loss is taken at fixed noise, so its points compare as they are: it is *rising* where its last point lies
above its lowest by more than `VALIDATION_TOLERANCE` and the point before it does not lie at the lowest either, unless
that was the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pvtt.records.decision import LossTrend, ValidationTrend

MIN_WINDOW = 5  # steps; a history shorter than two windows of this size is not judged
RISE_TOLERANCE = 1.10
ENDS = (0.02, 0.05, 0.1)  # shares of the history that are also held against what came before
VALIDATION_TOLERANCE = 1.02
LEVEL = 0.95
OUTLIER = 4.0  # standard deviations, beyond which a step counts as if it lay there

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Window:
    """The mean log loss of some steps in a row, its standard error, and the degrees of freedom of that."""

    mean: float
    error: float
    freedom: float

    @classmethod
    def of(cls, losses: Floats, likeness: float) -> _Window:
        """Of these steps' losses, given how much neighbours resemble each other (`_likeness`).

        The effective sample size is n · (1 - r) / (1 + r) (Santer et al., *Journal of Geophysical Research* 105, 2000).
        """
        logs = _drawn_in(_logs(losses))
        rest = _rest(logs)
        worth = max(2.0, len(logs) * (1 - likeness) / (1 + likeness))
        variance = float(rest @ rest) / max(1, len(logs) - 2)
        return cls(float(logs.mean()), math.sqrt(variance / worth), worth - 1)


def _logs(losses: Floats) -> Floats:
    return np.log(np.maximum(losses, np.finfo(np.float64).tiny))


def _drawn_in(values: Floats) -> Floats:
    """Outliers count as if they lay at `OUTLIER` standard deviations."""
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return np.clip(values, middle - OUTLIER * spread, middle + OUTLIER * spread) if spread > 0 else values


def _rest(logs: Floats) -> Floats:
    """What a straight line leaves of them."""
    steps = np.arange(len(logs)) - (len(logs) - 1) / 2
    rest = _drawn_in(logs - logs.mean() - float(steps @ logs / (steps @ steps)) * steps)
    centred: Floats = rest - rest.mean()
    return centred


def _likeness(windows: Sequence[Floats]) -> float:
    """The first-order autocorrelation of the log loss within windows, (n,) each; their median: a jump makes one high.

    Corrected for its bias where n is small and a line was taken out (Kendall, *Biometrika* 41, 1954).
    """
    rests = [_rest(_logs(window)) for window in windows]
    r = float(np.median([rest[1:] @ rest[:-1] / (rest @ rest) if rest.any() else 0.0 for rest in rests]))
    return min(0.99, max(0.0, r + (2 + 4 * max(0.0, r)) / len(windows[0])))


def _ratio(last: _Window, first: _Window, level: float = LEVEL) -> tuple[float, float, float]:
    """The ratio of two windows' losses and its interval (Welch's)."""
    from scipy.stats import t

    squares = last.error**2, first.error**2
    error = math.sqrt(sum(squares))
    freedom = 1.0
    if error > 0:
        freedom = sum(squares) ** 2 / (squares[0] ** 2 / last.freedom + squares[1] ** 2 / first.freedom)
    reach = float(t.ppf((1 + level) / 2, freedom)) * error
    difference = last.mean - first.mean
    return math.exp(difference), _exp(difference - reach), _exp(difference + reach)


def _exp(value: float) -> float:
    return math.exp(min(700.0, max(-700.0, value)))


def judge_convergence(
    histories: Sequence[Sequence[float]], window: float, *, continued: bool = False
) -> LossTrend | None:
    """Judge the loss history of the training stages, in their order.

    Args:
        histories: The training loss at each logged step, one sequence a stage.
        window: Fraction of the joined history at each end that is compared, in (0, 0.5].
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
    parts = [losses[end - size : end] for end in range(len(losses), size - 1, -size)]
    likeness = _likeness(parts)
    last, *earlier = (_Window.of(part, likeness) for part in parts)
    ratio, low, high = _ratio(last, _Window.of(losses[:size], likeness))
    best = min(earlier, key=lambda one: one.mean)
    return LossTrend(
        ratio=ratio,
        low=low,
        high=high,
        num_steps=len(losses),
        continued=continued,
        rising=_ratio(last, best)[1] > RISE_TOLERANCE or _ends_high(losses, size, likeness),
        still_falling=_ratio(last, earlier[0])[2] < 1,
    )


def _ends_high(losses: Floats, size: int, likeness: float) -> bool:
    """Whether one of the shorter ends lies above the window before it; all together err in 5 % of flat histories."""
    for share in ENDS:
        length = max(MIN_WINDOW, round(share * len(losses)))
        if length < size and len(losses) >= length + size:
            end, before = (_Window.of(part, likeness) for part in (losses[-length:], losses[-length - size : -length]))
            if _ratio(end, before, 1 - (1 - LEVEL) / len(ENDS))[1] > RISE_TOLERANCE:
                return True
    return False


def judge_validation(points: Sequence[tuple[int, float]]) -> ValidationTrend | None:
    """Judge the validation loss.

    Args:
        points: Step, counted over all training stages, and the mean loss over the noise levels, in the order of steps.

    Returns:
        The trend; None where there are fewer than two points, or one is not finite.
    """
    if len(points) < 2 or not all(math.isfinite(loss) for _, loss in points):
        return None
    losses = [loss for _, loss in points]
    best = int(np.argmin(losses))
    last = len(points) - 1
    rose = losses[-1] > VALIDATION_TOLERANCE * losses[best]
    return ValidationTrend(
        best_step=points[best][0],
        best=losses[best],
        last_step=points[-1][0],
        last=losses[-1],
        rising=rose and (last - best >= 2 or best == 0),
    )
