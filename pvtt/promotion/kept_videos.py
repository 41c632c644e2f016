"""The films that people see, as they are kept: H.264, and small ones enlarged.

So a figure of a kept film is not to the last digit that of the film it was made from. How far it may be off is measured
(`Kept.again`): the kept film goes through the encoder once more, moved by a few pixels so that its blocks fall
elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pvtt.errors import PvttError
from pvtt.media.arrays import Video

MOVED = (3, 5)  # pixels down and to the right: no multiple of a block's size


@dataclass(frozen=True)
class Kept:
    """A kept film.

    Args:
        film: As large as the ground truth, (F, H, W, 3).
        frames: As large as it was kept.
    """

    film: Video
    frames: Video

    @cached_property
    def again(self) -> Video:
        """The film after the encoder has had it once more."""
        from pvtt.evaluation.videos import CRF
        from pvtt.files.atomic import scratch_directory
        from pvtt.media.video import read_video, write_video

        with scratch_directory() as place:
            path = place / "again.mp4"
            write_video(path, np.roll(self.frames, MOVED, axis=(1, 2)), fps=12.0, crf=CRF)
            again = np.roll(read_video(path), [-step for step in MOVED], axis=(1, 2))
        return _at_size(again, self.film)


def read_kept(path: Path, truth: Video) -> Kept:
    """Read a kept film, made as small as the truth, (F, H, W, 3).

    Raises:
        PvttError: It cannot be read, or is of another shape.
    """
    from pvtt.media.video import read_video

    frames = read_video(path)
    height, width = truth.shape[1:3]
    if len(frames) != len(truth) or frames.shape[1] * width != frames.shape[2] * height:
        raise PvttError(f"{path.name} has {len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}")
    return Kept(_at_size(frames, truth), frames)


def _at_size(frames: Video, truth: Video) -> Video:
    import cv2

    height, width = truth.shape[1:3]
    if frames.shape[1:3] == (height, width):
        return frames
    return np.stack(
        [np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]
    )


def root_error(video: Video, truth: Video) -> float:
    """Root of the mean squared error of two films, in levels of 255."""
    return float(np.sqrt(((video.astype(np.float64) - truth) ** 2).mean()))
