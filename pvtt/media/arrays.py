"""Pictures, videos and masks as arrays: one name a kind. H, W: height and width in pixels; F: frames."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Frame: TypeAlias = npt.NDArray[np.uint8]  # (H, W, 3) RGB
GreyFrame: TypeAlias = npt.NDArray[np.uint8]  # (H, W) brightness
Video: TypeAlias = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Planes: TypeAlias = npt.NDArray[np.uint8]  # (3H/2, W): a frame in yuv420p, Y above U and V, each of a quarter
Rgba: TypeAlias = npt.NDArray[np.uint8]  # (H, W, 4) RGB and straight alpha: a product photo

# Where the product is. As stored:
MaskFrame: TypeAlias = npt.NDArray[np.uint8]  # (H, W), 255 = product, 0 = not; between them after a reduction
MaskVideo: TypeAlias = npt.NDArray[np.uint8]  # (F, H, W), as MaskFrame
# As computed with:
FrameRegion: TypeAlias = npt.NDArray[np.bool_]  # (H, W), True = product
Region: TypeAlias = npt.NDArray[np.bool_]  # (F, H, W), True = product
SoftMask: TypeAlias = npt.NDArray[np.float32]  # (H, W), 0 = surely not, 1 = surely the product
