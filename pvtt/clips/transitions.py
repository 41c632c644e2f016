"""Gradual changes of shot: a dissolve, or a fade to or from one colour.

In a dissolve every frame is a mixture of the frame before it and the frame after it, in shares that go from one to the
other; where something moves, the frames between are no mixtures. Before and after it the picture changes more slowly.

Where the camera moves too, the frames are mixtures only as far as they are blurred. Then the middle must have less of
edges than either end, which a camera's motion alone does not do: edges that are mixed count half.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from pvtt.clips.change import SHRINK, FloatFrame, aligned, changed, contents, shrunk, shrunk_size
from pvtt.media.arrays import Frame

# That are looked at, with a calm frame or two at each end.
SPANS_S = (0.3, 0.34, 0.42, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.45, 1.7, 2.0)
MIN_SPAN = 6  # frames
MIN_FRAMES = 5  # from the last frame before to the first after
# Measured on the films of `tests/benchmarks/test_cuts.py`: of 75 dissolves of 4 to 24 frames between drawn products 61
# were found, of 60 of 4 to 16 between the sample shop's shots at 12 frames a second, whose camera moves, 51, of 20
# between turntables 20, and of 68 fades all. None was invented, nor in the shop's own films, their shots two to four
# times as fast, whip pans of 3 to 24 frames, or drawn shots that move by 8 pixels a frame.
DIFFERS = 24  # of 255, in any channel
MIN_CHANGED = 0.08  # of the picture's area
SURELY_CHANGED = 0.3
MIN_CHANGED_CONTENTS = 0.5  # of the area in which there is more than backdrop
MAX_RESIDUAL = 0.25  # of a mixture, over the difference of its ends
SOFT = 4  # pixels of a small frame, on each side, for one of a blurred one
MAX_EDGES = 0.75  # of a middle frame's edges over its ends', where the camera moves
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
        self._spans = sorted({max(MIN_SPAN, round(span * float(rate))) for span in SPANS_S if span * rate < 200})
        longest = max(self._spans, default=MIN_SPAN)
        self._frames: deque[FloatFrame] = deque(maxlen=longest + 1)
        self._soft: deque[FloatFrame] = deque(maxlen=longest + 1)
        self._times: deque[Fraction] = deque(maxlen=longest + 1)
        self._num_free = 0  # of the newest frames, those that belong to no transition that was told

    def push(self, time: Fraction, frame: Frame) -> Transition | None:
        """Look at the next frame, (H, W, 3) RGB, small as a cut detector's."""
        small = shrunk(frame, *shrunk_size(frame, SHRINK))
        self._frames.append(small.astype(np.float32))
        self._soft.append(shrunk(small, *shrunk_size(small, SOFT)).astype(np.float32))
        self._times.append(time)
        self._num_free += 1
        for span in self._spans:
            if span >= min(len(self._frames), self._num_free):
                return None
            found = _transition(list(self._frames)[-span - 1 :], list(self._soft)[-span - 1 :])
            if found is not None:
                start, end = found
                self._num_free = span - end + 1
                return Transition(self._times[start - span - 1], self._times[end - span - 1])
        return None


def _transition(frames: list[FloatFrame], soft: list[FloatFrame]) -> tuple[int, int] | None:
    """The places of the last frame before and of the first after, where the frames go gradually from one to another."""
    if not _mixes(soft):  # blurred frames are few pixels, and mix where sharp ones do
        return None
    first, last = frames[0], frames[-1]
    differs = changed(first, last, DIFFERS)
    if differs.mean() < MIN_CHANGED:
        return None
    is_blank = _is_blank(first), _is_blank(last)
    shares = _shares(frames)
    if shares is None or not _is_gradual(shares, *is_blank):
        shares = _shares(soft)
        if shares is None or not _is_gradual(shares, *is_blank) or not _loses_edges(frames):
            return None
    in_picture = contents(first, DIFFERS) | contents(last, DIFFERS) | differs
    if differs.mean() < SURELY_CHANGED and differs.sum() < MIN_CHANGED_CONTENTS * in_picture.sum():
        return None
    if all(is_blank):
        return None
    if not any(is_blank):
        is_new = differs & changed(aligned(first, last), last, DIFFERS)
        if is_new.mean() < MIN_NEW:
            return None
    start, end = int(np.flatnonzero(shares < 0.06).max()), int(np.flatnonzero(shares > 0.94).min())
    return (start, end) if end - start >= MIN_FRAMES else None


def _mixes(frames: list[FloatFrame]) -> bool:
    """Whether the middle frame is a mixture of the first and the last."""
    first = frames[0].ravel()
    difference = frames[-1].ravel() - first
    strength = float(difference @ difference)
    if strength == 0:
        return False
    middle = frames[len(frames) // 2].ravel() - first
    share = float(middle @ difference) / strength
    return 0.1 < share < 0.9 and float(np.linalg.norm(middle - share * difference)) <= MAX_RESIDUAL * strength**0.5


def _shares(frames: list[FloatFrame]) -> npt.NDArray[np.floating] | None:
    """The last frame's share in each, (F,), where all are mixtures of the first and the last; else None."""
    if not _mixes(frames):
        return None
    first = frames[0].ravel()
    difference = frames[-1].ravel() - first
    strength = float(difference @ difference)
    offsets = np.stack(frames).reshape(len(frames), -1) - first
    shares = offsets @ difference / strength
    residuals = np.linalg.norm(offsets - shares[:, None] * difference, axis=1) / strength**0.5
    return shares if residuals.max() <= MAX_RESIDUAL else None


def _loses_edges(frames: list[FloatFrame]) -> bool:
    """Whether a frame of the middle third has less of edges than a line from the first frame's to the last's says."""
    third = len(frames) // 3
    begin, end = _edges(frames[0]), _edges(frames[-1])
    between = range(third, len(frames) - third)
    return any(
        _edges(frames[place]) <= MAX_EDGES * (begin + (end - begin) * place / (len(frames) - 1)) for place in between
    )


def _edges(frame: FloatFrame) -> float:
    return float(np.square(np.diff(frame, axis=0)).mean() + np.square(np.diff(frame, axis=1)).mean())


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
