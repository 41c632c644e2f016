"""How two small frames differ: (h, w, 3) RGB each, of which a pixel is the mean of many, so that noise is gone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame

FloatFrame = npt.NDArray[np.float32]
Area = npt.NDArray[np.bool_]

SHRINK = 4  # pixels of a frame that is looked at, on each side, for one
NOTICED = 20  # of 255: what a channel changes by where something is another thing
MAX_OFFSET = 32  # of 255: light that is thrown on everything alike
REACH = 4  # pixels of a small frame, a sixteenth of its width: how far a thing moves that is seen to be the same


def shrunk_size(frame: Frame, factor: int) -> tuple[int, int]:
    """Width and height of a frame that is `factor` times smaller."""
    return max(4, round(frame.shape[1] / factor)), max(4, round(frame.shape[0] / factor))


def shrunk(frame: Frame, width: int, height: int) -> Frame:
    """A frame whose pixels are means of the given one's."""
    import cv2

    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def changed(one: FloatFrame, other: FloatFrame, by: float = NOTICED) -> Area:
    """Where any channel differs by more, (h, w)."""
    return np.asarray(np.abs(one - other).max(axis=2) > by)


def contents(frame: FloatFrame, by: float = NOTICED) -> Area:
    """Where there is something else than the colour of the picture's border, (h, w)."""
    border = np.concatenate([frame[0], frame[-1], frame[:, 0], frame[:, -1]])
    return changed(frame, np.median(border, axis=0).astype(np.float32)[None, None], by)


def aligned(one: FloatFrame, other: FloatFrame) -> FloatFrame:
    """`one` in `other`'s light: by the gain (0.5 to 2) and the offset (up to `MAX_OFFSET`) that bring it nearest.

    All channels have the same, as another colour of an empty backdrop is another place.
    """
    mean, others = float(one.mean()), float(other.mean())
    spread = float(np.square(one - mean).mean())
    gain = float(((one - mean) * (other - others)).mean()) / spread if spread > 1 else others / max(1.0, mean)
    gain = float(np.clip(gain, 0.5, 2))
    return np.asarray(gain * one + np.clip(others - gain * mean, -MAX_OFFSET, MAX_OFFSET), np.float32)


def nowhere_near(one: FloatFrame, other: FloatFrame) -> Area:
    """Where `one` shows what `other` does not show within `REACH` of there, (h, w): no thing that only moved.

    A patch of 3 × 3 pixels is held against `other`'s, in whose place any value between its neighbours' would do, as a
    thing seldom moves by whole pixels.
    """
    import cv2

    height, width = one.shape[:2]
    square = np.ones((3, 3), np.uint8)
    sides = REACH, REACH, REACH, REACH
    lowest = cv2.copyMakeBorder(cv2.erode(other, square), *sides, cv2.BORDER_REPLICATE)
    highest = cv2.copyMakeBorder(cv2.dilate(other, square), *sides, cv2.BORDER_REPLICATE)
    nearest = np.full((height, width), np.inf, np.float32)
    for top in range(2 * REACH + 1):
        for left in range(2 * REACH + 1):
            place = slice(top, top + height), slice(left, left + width)
            misses = np.maximum(lowest[place] - one, one - highest[place]).max(axis=2)
            np.minimum(nearest, cv2.blur(np.maximum(misses, 0), (3, 3)), out=nearest)
    return np.asarray(nearest > NOTICED / 2)
