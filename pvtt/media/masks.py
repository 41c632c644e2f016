"""Masks on disk: one lossless file a clip, FFV1 gray8 in Matroska, 255 = product.

50,000 clips of 72 frames would be 3.6 million PNGs; this is 50,000 files, each a video that any player shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pvtt.media.arrays import MaskFrame, MaskVideo
from pvtt.media.video import StreamWriter, VideoReader, select_frames

if TYPE_CHECKING:
    import av

# FFV1's Golomb coder has runs for what is even, as masks are: of 720 by 480 they take 1,085 bytes a frame, and are read
# in an eighth of the time, beside 1,674 by its range coder.
OPTIONS = {"level": "3", "coder": "0", "context": "0", "slices": "4"}


class MaskWriter(StreamWriter):
    """Writes masks, (H, W) uint8 each, losslessly; grey values between 0 and 255 survive too.

    Args:
        path: The .mkv to write.
        fps: The clip's frames a second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        super().__init__(path, fps, "ffv1", OPTIONS, "gray", "gray")


def write_masks(path: Path, masks: Iterable[MaskFrame], fps: float) -> int:
    """Write masks, (H, W) uint8 each; returns how many. Raises as `StreamWriter`."""
    with MaskWriter(path, fps) as writer:
        for mask in masks:
            writer.write(mask)
    return writer.num_frames


def _to_grey(frame: av.VideoFrame) -> MaskFrame:
    return frame.to_ndarray(format="gray").astype(np.uint8, copy=False)


def iter_masks(path: Path) -> Iterator[MaskFrame]:
    """Yield the masks of a file, (H, W) uint8 each, one in memory at a time. Raises as `VideoReader`."""
    with VideoReader(path) as reader:
        for _, frame in reader:
            yield _to_grey(frame)


def read_masks(path: Path) -> MaskVideo:
    """All masks of a file, (F, H, W) uint8. Raises as `VideoReader`."""
    return np.stack(list(iter_masks(path)))


def read_mask_frames(path: Path, indices: Sequence[int]) -> MaskVideo:
    """The masks at `indices`, (len(indices), H, W) uint8. Raises as `pvtt.media.video.read_frames`."""
    return select_frames(path, indices, _to_grey)
