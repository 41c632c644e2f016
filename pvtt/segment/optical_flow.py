"""The default tracker: detections carried from key frame to key frame by dense optical flow, from both sides.

    key frame a                                   key frame b
        mask_a ──► warped forward  ──┐   ┌──  warped backward ◄── mask_b
                                 blend by nearness

Flow is OpenCV's DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016) at reduced size. The fields
are composed and each mask is warped once, so that edges do not blur from frame to frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame, GreyFrame, SoftMask
from pvtt.segment.protocols import Detection

FLOW_LINES = 240  # height at which flow is computed
FlowField: TypeAlias = npt.NDArray[np.float32]  # (h, w, 2): x and y displacement in pixels


class OpticalFlowTracker:
    """See the module. Needs a detector whose detections carry masks."""

    name = "dis-1"
    sees_colour = False

    def track(
        self,
        frames: Iterable[tuple[Frame | GreyFrame, Detection | None]],
        look: Callable[[Frame], Detection] | None = None,
    ) -> Iterator[SoftMask]:
        """See `Tracker.track`. It never loses what both key frames show, and asks for no other."""
        import cv2

        cv2.setNumThreads(1)  # DIS cuts a frame into one stripe a thread, so the result would depend on the machine
        engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        greys: list[GreyFrame] = []  # from the last key frame on, or from the start where there was none yet
        key_mask: SoftMask | None = None
        size = (0, 0)
        for frame, detection in frames:
            size = (frame.shape[1], frame.shape[0])
            greys.append(_reduce(frame))
            if detection is None:
                continue
            mask = _mask_of(detection)
            if key_mask is None:
                yield from (_enlarge(earlier, size) for earlier in reversed(_carry(engine, greys[::-1], mask)[1:]))
            else:
                yield from _between(engine, greys, key_mask, mask, size)
            yield mask
            key_mask, greys = mask, [greys[-1]]
        if key_mask is None:
            raise ValueError("no frame came with a detection")
        yield from (_enlarge(later, size) for later in _carry(engine, greys, key_mask)[1:])


def _mask_of(detection: Detection) -> SoftMask:
    if detection.mask is None:
        raise ValueError("the flow tracker needs masks, and this detector gives boxes")
    return detection.mask


def _reduce(frame: Frame | GreyFrame) -> GreyFrame:
    import cv2

    height, width = frame.shape[:2]
    scale = min(1.0, FLOW_LINES / height)
    grey = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _between(
    engine: Any, greys: list[GreyFrame], first: SoftMask, last: SoftMask, size: tuple[int, int]
) -> Iterator[SoftMask]:
    """Masks of the frames strictly between two key frames."""
    forward = _carry(engine, greys, first)
    backward = _carry(engine, greys[::-1], last)[::-1]
    steps = len(greys) - 1
    for index in range(1, steps):
        nearness = index / steps
        yield _enlarge((1 - nearness) * forward[index] + nearness * backward[index], size)


def _carry(engine: Any, greys: list[GreyFrame], mask: SoftMask) -> list[SoftMask]:
    """The first frame's mask, seen in every frame of a sequence; at flow's size."""
    import cv2

    height, width = greys[0].shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    reduced = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    to_first = np.zeros_like(grid)  # displacement from this frame to the first
    carried = [reduced]
    for before, here in pairwise(greys):
        step: FlowField = engine.calc(here, before, None)
        to_first = step + _sample(to_first, grid + step)
        carried.append(_sample(reduced, grid + to_first))
    return carried


def _sample(field: npt.NDArray[np.float32], positions: FlowField) -> npt.NDArray[np.float32]:
    """`field`, (h, w) or (h, w, C), at real-valued pixel `positions`, (h, w, 2) of x and y."""
    import cv2

    no_second_map = np.empty(0, np.float32)
    sampled = cv2.remap(field, positions, no_second_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def _enlarge(mask: SoftMask, size: tuple[int, int]) -> SoftMask:
    import cv2

    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR), np.float32)
