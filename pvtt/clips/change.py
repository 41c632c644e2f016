"""How two small frames differ: (h, w, 3) RGB each, of which a pixel is the mean of many, so that noise is gone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame

FloatFrame = npt.NDArray[np.float32]
Area = npt.NDArray[np.bool_]

SHRINK = 4  # pixels of a frame that is looked at, on each side, for one
NOTICED = 20  # of 255: what a channel changes by where something is another thing


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
    """`one` in `other`'s light: each channel by the gain (0.5 to 2) and the offset that bring it nearest."""
    means, others = one.mean(axis=(0, 1)), other.mean(axis=(0, 1))
    spread = np.square(one - means).mean(axis=(0, 1))
    shared = ((one - means) * (other - others)).mean(axis=(0, 1))
    gain = np.where(spread > 1, np.clip(shared / np.maximum(spread, 1e-6), 0.5, 2), 1)
    return np.asarray(others + gain * (one - means), np.float32)
