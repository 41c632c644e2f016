"""From soft masks to clean ones: smooth in time, without pinholes and specks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pvtt.media.arrays import FrameRegion


def temporal_median(masks: Iterable[FrameRegion], window: int) -> Iterator[FrameRegion]:
    """Each pixel's median over `window` frames (odd) around its own; the clip's ends are repeated.

    Holds `window` masks in memory.

    Raises:
        ValueError: `window` is even.
    """
    if window % 2 == 0:
        raise ValueError(f"a median over {window} frames has no middle; use an odd number")
    half = window // 2
    held: deque[FrameRegion] = deque(maxlen=window)
    mask: FrameRegion | None = None
    for mask in masks:
        if not held:
            held.extend([mask] * half)
        held.append(mask)
        if len(held) == window:
            yield _majority(held)
    if mask is None:
        return
    for _ in range(half):
        held.append(mask)
        if len(held) == window:
            yield _majority(held)


def _majority(masks: deque[FrameRegion]) -> FrameRegion:
    if len(masks) == 1:
        return masks[0]
    votes = np.add.reduce(list(masks), axis=0, dtype=np.uint8)
    return votes > len(masks) // 2


def clean(mask: FrameRegion, min_component: float) -> FrameRegion:
    """Fill holes and drop components smaller than `min_component` of the mask's area.

    Larger holes stay: a ring and a handle have one.
    """
    smallest = min_component * float(mask.sum())
    return _drop_small(_fill_small(mask, smallest), smallest)


def _fill_small(mask: FrameRegion, smallest: float) -> FrameRegion:
    """Looks inside the mask's bounding box only, since what reaches its sides goes on outside, where that is large."""
    rows, columns = _extent(mask)
    height, width = mask.shape
    outside = (
        rows.start * width,
        (height - rows.stop) * width,
        columns.start * height,
        (width - columns.stop) * height,
    )
    if any(0 < area < smallest for area in outside):
        return ~_kept(~mask, smallest)
    open_sides = [
        side for side, area in zip((np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]), outside, strict=True) if area
    ]
    filled = mask.copy()
    if filled[rows, columns].size:
        filled[rows, columns] = ~_kept(~mask[rows, columns], smallest, open_sides)
    return filled


def _drop_small(mask: FrameRegion, smallest: float) -> FrameRegion:
    rows, columns = _extent(mask)
    kept = np.zeros_like(mask)
    if mask[rows, columns].size:
        kept[rows, columns] = _kept(mask[rows, columns], smallest)
    return kept


def _extent(mask: FrameRegion) -> tuple[slice, slice]:
    """The rows and columns of a mask's bounding box; empty where it is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _kept(mask: FrameRegion, smallest: float, open_sides: Sequence[Any] = ()) -> FrameRegion:
    """A mask's components that are large enough, or that reach one of its `open_sides`."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= smallest
    for side in open_sides:
        keep[labels[side]] = True
    keep[0] = False  # label 0 is everything outside the mask
    return np.asarray(keep[labels], np.bool_)
