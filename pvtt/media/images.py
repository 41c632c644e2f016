"""Pictures on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pvtt.media.arrays import Frame, MaskFrame


def write_png(path: Path, picture: Frame | MaskFrame) -> None:
    """Write a picture, (H, W, 3) RGB or (H, W) grey, uint8, as PNG.

    Raises:
        OSError: The disk is full or fails. `cv2.imwrite` would return False and leave half a file.
    """
    import cv2

    stored = picture[..., ::-1] if picture.ndim == 3 else picture  # OpenCV's order is BGR
    _, data = cv2.imencode(".png", np.ascontiguousarray(stored))
    path.write_bytes(data.tobytes())
