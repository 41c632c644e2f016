"""How near must a figure that is measured again come to the recorded one?

A kept film has been through an encoder, so its figure is off. How far an encoder moves this figure is measured twice:
on the kept film, which it gets once more, and on the kept true film, whose original is there. The recorded figure may
be off by `ALLOWANCE` times the larger of the two. PSNR is compared by the error that it stands for.

An encoder takes grain out of a film and never puts any in. So the error of a noisy one may fall by more than both say,
and with it what is worse about the film: by `SMOOTHED` of how far it is from the true film (measured: white noise in
all colours loses a sixth). A film of the model may therefore look better than its other figures say; that nobody puts a
better film in its place, PSNR holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvtt.evaluation.metrics.metric import Metric

ALLOWANCE = 3.0
SMOOTHED = 1 / 3
SAME = 2e-3  # relative and absolute: another machine's rounding
ROUNDING = {"dB": 0.5, "grey levels": 0.5, "CIEDE2000": 0.5}  # by a metric's unit; of dB in levels of 255
OTHER_ROUNDING = 0.02


@dataclass(frozen=True)
class Moved:
    """What the encoder does to a figure.

    Args:
        again: Of the kept film, after the encoder has had it once more.
        true: Of the true film.
        kept_true: Of the kept true film.
    """

    again: float | None
    true: float | None
    kept_true: float | None


def is_same(recorded: float | None, value: float | None) -> bool:
    """Whether a figure that needs no kept film is the recorded one."""
    if recorded is None or value is None:
        return recorded is value
    return math.isclose(recorded, value, rel_tol=SAME, abs_tol=SAME)


def is_near(score: Metric, recorded: float | None, value: float | None, moved: Callable[[], Moved]) -> bool:
    """Whether the recorded figure can be that of the film that was kept.

    Args:
        score: Whose figure it is.
        recorded: As it stands in the samples' file.
        value: Of the kept film.
        moved: Measures what the encoder does to it; asked only where rounding alone does not explain the difference.
    """
    if recorded is None or value is None:
        return recorded is value
    if score.chance:  # 0 or 1: where the encoder alone changes it, it says nothing
        return recorded == value or moved().again != value
    given, kept = _linear(score, recorded), _linear(score, value)
    rounding = ROUNDING.get(score.unit, OTHER_ROUNDING)
    if abs(given - kept) <= rounding:
        return True
    worse = given - kept if _least_is_best(score) else kept - given
    if score.subject is None and score.unit != "dB" and (worse >= 0 or not score.better):
        return True
    by = moved()
    shifts, off = [abs(_linear(score, by.again) - kept)] if by.again is not None else [], 0.0
    if by.true is not None and by.kept_true is not None:
        shifts.append(abs(_linear(score, by.kept_true) - _linear(score, by.true)))
        off = abs(kept - _linear(score, by.true))
    slack = ALLOWANCE * max(shifts, default=0.0) + rounding
    if score.unit == "dB":
        return -slack <= worse <= slack + SMOOTHED * off
    if score.subject is None:
        return worse >= -slack
    return abs(worse) <= slack + SMOOTHED * off


def _least_is_best(score: Metric) -> bool:
    return score.unit == "dB" or score.better == "↓"


def _linear(score: Metric, value: float) -> float:
    """PSNR as the root of the mean squared error, in levels of 255."""
    return 255 / 10 ** (value / 20) if score.unit == "dB" else value
