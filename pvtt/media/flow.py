"""Dense optical flow: OpenCV's DIS (Kroeger et al. 2016, *Fast Optical Flow using Dense Inverse Search*)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Video

FlowField: TypeAlias = npt.NDArray[np.float32]  # (H, W, 2): right and down in pixels
FlowFields: TypeAlias = npt.NDArray[np.float32]  # (n, H, W, 2)
Floats: TypeAlias = npt.NDArray[np.float32]


def flow_fields(sources: Video, targets: Video) -> FlowFields:
    """Flow from each frame of `sources`, (n, H, W, 3), to its fellow in `targets`: (n, H, W, 2)."""
    import cv2

    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = np.zeros((*sources.shape[:3], 2), dtype=np.float32)
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (source, target)]
        flows[index] = estimator.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32))
    return flows


def sample_along(image: Floats, flow: FlowField, outside: float | None = np.nan) -> Floats:
    """`image`, (H, W) or (H, W, C), as found at each pixel moved by `flow`.

    Args:
        image: What is sampled.
        flow: (H, W, 2).
        outside: What lies beyond the frame; None: what its edge has.
    """
    import cv2

    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y, mode = x + flow[..., 0], y + flow[..., 1], cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=mode, borderValue=(outside or 0.0,) * 4)
    return np.asarray(sampled, dtype=np.float32)
