"""Cut-out products: centred in a square of one size, and as PNG."""

from __future__ import annotations

import io

import numpy as np

from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Rgba

MIN_EDGE = 16  # pixels; the product's box must be this large to be worth enlarging


def letterbox(picture: Rgba, size: int, margin: float) -> Rgba:
    """Centre the product in a transparent square with `margin` (of the size) around it; (size, size, 4).

    Colours are scaled weighted by alpha, so that no background bleeds into the edge, and are 0 where alpha is.

    Raises:
        ItemRejectedError: `no_product`: hardly anything is opaque.
    """
    from PIL import Image

    solid = picture[..., 3] >= 128
    if not solid.any():
        raise ItemRejectedError("no_product", "nothing stands out from the background")
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    crop = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    height, width = crop.shape[:2]
    if max(height, width) < MIN_EDGE:
        raise ItemRejectedError("no_product", f"what stands out is {width} by {height} pixels")
    scale = size * (1 - 2 * margin) / max(height, width)
    fitted = max(1, round(width * scale)), max(1, round(height * scale))
    alpha = crop[..., 3] / 255
    channels = [*(crop[..., channel] * alpha for channel in range(3)), alpha]
    resized = [
        np.asarray(Image.fromarray(channel).resize(fitted, Image.Resampling.LANCZOS)).clip(0, None)
        for channel in channels
    ]
    weight = resized[3].clip(0, 1)
    visible = weight > 0.5 / 255
    colours = [np.divide(channel, weight, out=np.zeros_like(weight), where=visible) for channel in resized[:3]]
    product = np.dstack([*colours, weight * 255 * visible])
    box = np.zeros((size, size, 4), np.uint8)
    top, left = (size - fitted[1]) // 2, (size - fitted[0]) // 2
    box[top : top + fitted[1], left : left + fitted[0]] = np.round(product).clip(0, 255).astype(np.uint8)
    return box


def encode_png(picture: Rgba) -> bytes:
    """PNG without metadata: equal pictures, equal bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
