"""From soft masks to clean ones: smooth in time, without pinholes and specks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

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
    return _drop_small(~_drop_small(~mask, smallest), smallest)


def _drop_small(mask: FrameRegion, smallest: float) -> FrameRegion:
    import cv2

    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= smallest
    keep[0] = False  # label 0 is everything outside the mask
    return np.asarray(keep[labels], np.bool_) if num_labels > 1 else mask
