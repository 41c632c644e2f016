"""Windows: the frames of a clip that make one sample, read at the encode size.

A window is `num_frames` frames, `frame_stride` clip frames apart. Sample variant 0, and with it every evaluation, takes
the middle one; other variants start anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pvtt.encoding.masks import MaskShape, conditioning_mask, product_mask
from pvtt.errors import PvttError
from pvtt.media.arrays import Frame, MaskFrame, MaskVideo, Region, Video
from pvtt.media.masks import read_masks
from pvtt.media.video import select_frames, to_rgb
from pvtt.params.encode import EncodeParams
from pvtt.records.dataset import DatasetEntry

MAX_ASPECT_DIFFERENCE = 0.03


class UnusableClipError(Exception):
    """A clip that gives no window. `reason` is a code for the reject table."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Window:
    """One sample's frames.

    Args:
        start: Index of its first frame in the clip.
        pixels: (F, H, W, 3) uint8 RGB.
        coverage: The product's coverage of each pixel, (F, H, W) uint8 of 255, from segmentation.
    """

    start: int
    pixels: Video
    coverage: MaskVideo

    @property
    def product(self) -> Region:
        """Where the product is, (F, H, W)."""
        return product_mask(self.coverage)


@dataclass(frozen=True)
class EvaluationWindow:
    """What evaluation compares and conditions on: variant 0 of the encoded sample, as pixels.

    Args:
        pixels: (F, H, W, 3) uint8 RGB.
        product: Where the product is, (F, H, W).
        mask: Conditioning mask, 1 = generate, (F, H, W).
    """

    pixels: Video
    product: Region
    mask: Region


def span(params: EncodeParams) -> int:
    """Clip frames from a window's first to its last."""
    return (params.num_frames - 1) * params.frame_stride + 1


def window_starts(coverage: MaskVideo, params: EncodeParams) -> list[int]:
    """The clip frames that a window can start at: all that leave it whole and show the product in its first frame.

    Args:
        coverage: The whole clip's, (clip frames, H, W) uint8.
        params: Window length and stride.

    Raises:
        UnusableClipError: The clip is too short, or no window shows the product.
    """
    num_starts = len(coverage) - span(params) + 1
    if num_starts < 1:
        raise UnusableClipError("too_short", f"{len(coverage)} frames, but a window spans {span(params)}")
    starts = [start for start in range(num_starts) if product_mask(coverage[start]).any()]
    if not starts:
        raise UnusableClipError("no_product", "no window shows the product in its first frame")
    return starts


def middle(starts: Sequence[int]) -> int:
    """The start of variant 0."""
    return starts[len(starts) // 2]


def read_coverage(entry: DatasetEntry, root: Path, params: EncodeParams) -> MaskVideo:
    """The product's coverage over the whole clip at the encode size, (clip frames, H, W) uint8 of 255.

    Args:
        entry: The sample, with the paths of its clip and mask.
        root: The workspace's root, which the entry's paths are relative to.
        params: Height and width to resize to.

    Raises:
        PvttError: The clip's aspect ratio is not the encode size's; mask files as `pvtt.media.masks.read_masks`.
    """
    if abs(entry.width / entry.height * params.height / params.width - 1) > MAX_ASPECT_DIFFERENCE:
        raise PvttError(
            f"encode's {params.width}×{params.height} would distort {entry.clip_path}, {entry.width}×{entry.height}",
            "give clip.width/height and encode.width/height in params.yaml the same ratio",
        )
    return np.stack([_resize(mask, params) for mask in read_masks(root / entry.mask_path)])


def read_windows(
    entry: DatasetEntry, root: Path, params: EncodeParams, coverage: MaskVideo, starts: Sequence[int]
) -> list[Window]:
    """The windows at `starts`; the clip is decoded once.

    Raises:
        VideoError, MissingCodecError: As `pvtt.media.video.VideoReader`.
    """
    indices = {start: range(start, start + span(params), params.frame_stride) for start in starts}
    wanted = sorted({index for frames in indices.values() for index in frames})
    frames = select_frames(root / entry.clip_path, wanted, lambda frame: _resize(to_rgb(frame), params))
    place = {index: position for position, index in enumerate(wanted)}
    return [
        Window(start, frames[[place[index] for index in indices[start]]], coverage[list(indices[start])])
        for start in starts
    ]


def load_window(entry: DatasetEntry, root: Path, params: EncodeParams) -> EvaluationWindow:
    """Variant 0 of a sample, as pixels.

    Args:
        entry: The sample, with the paths of its clip and mask.
        root: The workspace's root, which the entry's paths are relative to.
        params: The settings that the sample was encoded with.

    Raises:
        UnusableClipError: As `window_starts`.
        PvttError: As `read_coverage` and `read_windows`.
    """
    coverage = read_coverage(entry, root, params)
    (window,) = read_windows(entry, root, params, coverage, [middle(window_starts(coverage, params))])
    mask = conditioning_mask(window.product, MaskShape.evaluation(params.mask), params.mask.dilation)
    return EvaluationWindow(window.pixels, window.product, mask)


def _resize(frame: Frame | MaskFrame, params: EncodeParams) -> Frame | MaskFrame:
    size = (params.width, params.height)
    if frame.shape[1::-1] == size:
        return frame
    interpolation = cv2.INTER_AREA if params.width < frame.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, size, interpolation=interpolation), dtype=np.uint8)
