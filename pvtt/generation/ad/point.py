"""What is at a point that a person gave: the salient region that contains it, in the frame or in a part around it.

    frame ──► saliency ──► regions ──► one contains the point? ──► yes: the product
                                            └──► no: again in a smaller window around the point

The whole frame comes first, since a near view of a product shows a part of it; what stands out in a window alone was
passed over beside something larger.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from pvtt.foreground.holes import foreground
from pvtt.media.arrays import Frame, FrameRegion, SoftMask
from pvtt.segment.protocols import Detection
from pvtt.segment.u2netp import BRIDGE, MIN_SCORE

WINDOWS = (0.75, 0.5, 0.35)  # sides of the windows, of the frame's short side
SALIENT = 0.5
MIN_AREA = 0.002  # of the frame, as the detector's
EDGE = 3  # pixels around a region that keep their saliency, so that its outline stays soft


class PointDetector:
    """What stands out at a point; nothing where nothing does.

    Args:
        point: Its column and row, in pixels of the frames.
    """

    name = "point-1"

    def __init__(self, point: tuple[int, int]) -> None:
        self._point = point

    def detect(self, frame: Frame) -> Detection:
        """See `Detector.detect`."""
        for rows, columns in _windows(frame.shape[:2], self._point):
            soft = foreground(np.ascontiguousarray(frame[rows, columns]))
            inside = (self._point[0] - columns.start, self._point[1] - rows.start)
            region = _region_at(soft, inside, MIN_AREA * frame.shape[0] * frame.shape[1])
            if region is None or _is_cut(region, rows, columns, frame.shape[:2]):
                continue
            kernel = np.ones((2 * EDGE + 1, 2 * EDGE + 1), np.uint8)
            mask = np.zeros(frame.shape[:2], np.float32)
            mask[rows, columns] = soft * cv2.dilate(region.astype(np.uint8), kernel)
            left, top, width, height = cv2.boundingRect(region.astype(np.uint8))
            corner = left + columns.start, top + rows.start
            box = np.array([[*corner, corner[0] + width, corner[1] + height]], np.float32)
            return Detection(box, np.array([soft[region].mean()], np.float32), mask)
        return Detection(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(frame.shape[:2], np.float32))


def _windows(size: tuple[int, ...], point: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the frame, then of windows around the point."""
    height, width = size
    yield slice(0, height), slice(0, width)
    for share in WINDOWS:
        half = round(share * min(size) / 2)
        x, y = point
        yield slice(max(0, y - half), min(height, y + half + 1)), slice(max(0, x - half), min(width, x + half + 1))


def _region_at(soft: SoftMask, point: tuple[int, int], min_area: float) -> FrameRegion | None:
    """The smallest salient region whose outline goes around a point: one means a ring by what it encloses, too.

    Regions are those of the detector, gaps bridged, but none has to be as large as a part of the largest.
    """
    solid = (soft >= SALIENT).astype(np.uint8)
    size = max(3, round(BRIDGE * min(solid.shape)) | 1)
    bridged = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    num_labels, labels = cv2.connectedComponents(bridged)
    found: list[tuple[int, FrameRegion]] = []
    for label in range(1, num_labels):
        part = labels == label
        region = np.asarray(part & (solid > 0))
        filled = _filled(part)
        if filled[point[1], point[0]] and region.sum() >= min_area and soft[region].mean() >= MIN_SCORE:
            found.append((int(filled.sum()), region))
    return min(found, key=lambda one: one[0])[1] if found else None


def _filled(region: FrameRegion) -> FrameRegion:
    outlines, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(region.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return np.asarray(filled > 0)


def _is_cut(region: FrameRegion, rows: slice, columns: slice, size: tuple[int, ...]) -> bool:
    """Whether a region goes on outside of its window."""
    height, width = size
    return bool(
        (rows.start > 0 and region[0].any())
        or (rows.stop < height and region[-1].any())
        or (columns.start > 0 and region[:, 0].any())
        or (columns.stop < width and region[:, -1].any())
    )
