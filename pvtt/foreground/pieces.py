"""Of how many pieces a region is, and how much of a picture's border it covers."""

from __future__ import annotations

import numpy as np

from pvtt.media.arrays import FrameRegion

MIN_PIECE = 0.05  # of the region's area; what is smaller is dust
BRIDGE = 0.02  # of the picture's short side: pieces this near to each other are one
LINES = 240  # height at which pieces are looked at


def pieces(region: FrameRegion) -> list[float]:
    """The shares of a region's area, (H, W), that its pieces have, the largest first; dust is none."""
    import cv2

    height, width = region.shape
    scale = min(1.0, LINES / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(cv2.resize(region.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) >= 128)
    if not small.any():
        return []
    reach = max(3, round(BRIDGE * min(size)) | 1)
    bridged = cv2.morphologyEx(
        small.astype(np.uint8), cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    )
    num_labels, labels = cv2.connectedComponents(bridged)
    shares = np.bincount(labels[small], minlength=num_labels)[1:] / small.sum()
    return sorted((float(share) for share in shares if share >= MIN_PIECE), reverse=True)


def border_share(region: FrameRegion) -> float:
    """The share of a picture's border, one pixel wide, that a region, (H, W), covers."""
    return float(np.concatenate([region[0], region[-1], region[1:-1, 0], region[1:-1, -1]]).mean())
