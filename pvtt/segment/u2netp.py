"""The default detector: U²-Netp's saliency, split into products."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pvtt.foreground.holes import foreground
from pvtt.media.arrays import Frame, FrameRegion, SoftMask
from pvtt.segment.protocols import Detection

# Parts of one product are often drawn apart: two arcs of a bangle, a pendant and its chain. What counts as a second
# product is as large as a good part of the first, clearly away from it, and not enclosed by it.
MIN_RELATIVE_AREA = 0.25
MIN_SCORE = 0.75  # mean saliency of a region; patterns of a bare backdrop reach 0.55, products 0.93
BRIDGE = 0.05  # of the frame's short side: gaps up to this wide are bridged


class U2NetpDetector:
    """Detects products as the salient regions of a frame.

    Args:
        threshold: Saliency from which a pixel counts.
        min_area: Of the frame; smaller regions are no product.
    """

    name = "u2netp-1"

    def __init__(self, threshold: float = 0.5, min_area: float = 0.002) -> None:
        self._threshold = threshold
        self._min_area = min_area

    def detect(self, frame: Frame) -> Detection:
        """See `Detector.detect`."""
        soft = foreground(frame)
        boxes, scores = separate_products(soft, self._threshold, self._min_area)
        return Detection(boxes, scores, soft)


def separate_products(
    soft: SoftMask, threshold: float, min_area: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Boxes (N, 4) and mean saliency (N,) of the products in a soft mask, (H, W), the largest first."""
    import cv2

    solid = (soft >= threshold).astype(np.uint8)
    height, width = solid.shape
    size = max(3, round(BRIDGE * min(height, width)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    bridged = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, kernel)
    num_labels, labels = cv2.connectedComponents(bridged)
    regions = [(labels == label) & (solid > 0) for label in range(1, num_labels)]
    regions = [
        region for region in regions if region.sum() >= min_area * solid.size and soft[region].mean() >= MIN_SCORE
    ]
    regions.sort(key=lambda region: -int(region.sum()))
    products = _merge_interlocked(regions)
    products = [product for product in products if product.sum() >= MIN_RELATIVE_AREA * products[0].sum()]
    boxes = np.array([_box(product) for product in products], np.float32).reshape(-1, 4)
    scores = np.array([soft[product].mean() for product in products], np.float32)
    return boxes, scores


def _merge_interlocked(regions: list[FrameRegion]) -> list[FrameRegion]:
    """Join regions, the largest first, whose convex hulls overlap: they are pieces of one curved or hollow thing."""
    products: list[FrameRegion] = []
    for region in regions:
        for index, product in enumerate(products):
            if _hulls_overlap(product, region):
                products[index] = product | region
                break
        else:
            products.append(region)
    return sorted(products, key=lambda product: -int(product.sum()))


def _hulls_overlap(a: FrameRegion, b: FrameRegion) -> bool:
    import cv2

    hulls = [cv2.convexHull(cv2.findNonZero(region.astype(np.uint8))).astype(np.float32) for region in (a, b)]
    overlap, _ = cv2.intersectConvexConvex(hulls[0], hulls[1])
    return bool(overlap > 0)


def _box(region: FrameRegion) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
