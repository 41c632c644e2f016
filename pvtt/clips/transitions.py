"""Gradual changes of shot: a dissolve, or a fade to or from one colour.

In a dissolve every frame is a mixture of the frame before it and the frame after it, in shares that go from one to the
other; where something moves, the frames between are no mixtures. Before and after it the picture changes more slowly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from pvtt.clips.change import SHRINK, FloatFrame, aligned, changed, contents, shrunk, shrunk_size
from pvtt.media.arrays import Frame

SPANS_S = (0.34, 0.42, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.45)  # that are looked at, with a calm frame or two at each end
MIN_FRAMES = 6  # of a span, and from the last frame before to the first after
# Measured on dissolves and fades of 4 to 24 frames. Of 18 between drawn products 15 were found, of 60 of the shop's
# shots at 12 frames a second, whose camera moves, 33. None was invented, nor in the sample shop's own 58 films.
DIFFERS = 24  # of 255, in any channel
MIN_CHANGED = 0.08  # of the picture's area
SURELY_CHANGED = 0.3
MIN_CHANGED_CONTENTS = 0.5  # of the area in which there is more than backdrop
MAX_RESIDUAL = 0.25  # of a mixture, over the difference of its ends
MAX_MIDDLE_RESIDUAL = 0.22
MAX_STEP = 0.45  # of a share from frame to frame: more is a cut
MAX_RETURN = 0.05
CALM = 0.4  # pace of a share at an end over its pace between
BLANK = 4.0  # of 255, how much a picture of one colour varies
MIN_NEW = 0.03  # of the picture's area differs in the same light too


@dataclass(frozen=True)
class Transition:
    """A gradual change: from the last frame that is the old shot's alone to the first that is the new one's."""

    start: Fraction
    end: Fraction


class TransitionDetector:
    """Tells gradual changes of shot a few frames after their end.

    Args:
        rate: Average frames a second.
    """

    def __init__(self, rate: Fraction) -> None:
        self._spans = sorted({max(MIN_FRAMES, round(span * float(rate))) for span in SPANS_S if span * rate < 200})
        longest = max(self._spans, default=MIN_FRAMES)
        self._frames: deque[FloatFrame] = deque(maxlen=longest + 1)
        self._times: deque[Fraction] = deque(maxlen=longest + 1)
        self._num_free = 0  # of the newest frames, those that belong to no transition that was told

    def push(self, time: Fraction, frame: Frame) -> Transition | None:
        """Look at the next frame, (H, W, 3) RGB, small as a cut detector's."""
        self._frames.append(shrunk(frame, *shrunk_size(frame, SHRINK)).astype(np.float32))
        self._times.append(time)
        self._num_free += 1
        for span in self._spans:
            if span >= min(len(self._frames), self._num_free):
                return None
            found = _transition(list(self._frames)[-span - 1 :])
            if found is not None:
                start, end = found
                self._num_free = span - end + 1
                return Transition(self._times[start - span - 1], self._times[end - span - 1])
        return None


def _transition(frames: list[FloatFrame]) -> tuple[int, int] | None:
    """The places of the last frame before and of the first after, where the frames go gradually from one to another."""
    first, last = frames[0], frames[-1]
    differs = changed(first, last, DIFFERS)
    if differs.mean() < MIN_CHANGED:
        return None
    difference = (last - first).ravel()
    strength = float(difference @ difference)
    middle = (frames[len(frames) // 2] - first).ravel()
    share = float(middle @ difference) / strength
    if not 0.1 < share < 0.9 or np.linalg.norm(middle - share * difference) > MAX_MIDDLE_RESIDUAL * strength**0.5:
        return None
    in_picture = contents(first, DIFFERS) | contents(last, DIFFERS) | differs
    if differs.mean() < SURELY_CHANGED and differs.sum() < MIN_CHANGED_CONTENTS * in_picture.sum():
        return None
    offsets = np.stack(frames).reshape(len(frames), -1) - first.ravel()
    shares = offsets @ difference / strength
    residuals = np.linalg.norm(offsets - shares[:, None] * difference, axis=1) / strength**0.5
    if residuals.max() > MAX_RESIDUAL or not _is_gradual(shares, _is_blank(first), _is_blank(last)):
        return None
    if _is_blank(first) and _is_blank(last):
        return None
    if not _is_blank(first) and not _is_blank(last):
        is_new = differs & changed(aligned(first, last), last, DIFFERS)
        if is_new.mean() < MIN_NEW:
            return None
    start, end = int(np.flatnonzero(shares < 0.06).max()), int(np.flatnonzero(shares > 0.94).min())
    return (start, end) if end - start >= MIN_FRAMES else None


def _is_gradual(shares: npt.NDArray[np.floating], begins_blank: bool, ends_blank: bool) -> bool:
    """Whether shares rise steadily from 0 to 1 between two calm ends; a blank end needs no calm."""
    steps = np.diff(shares)
    if steps.min() < -MAX_RETURN or steps.max() > MAX_STEP:
        return False
    pace = 0.8 / max(1, int(((shares > 0.1) & (shares < 0.9)).sum()))
    calm_start, calm_end = shares[2] <= 2 * CALM * pace, 1 - shares[-3] <= 2 * CALM * pace
    return bool((begins_blank or calm_start) and (ends_blank or calm_end))


def _is_blank(frame: FloatFrame) -> bool:
    """Whether a picture is of one colour."""
    return float(frame.std(axis=(0, 1)).max()) <= BLANK
