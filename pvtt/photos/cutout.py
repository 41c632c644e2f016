"""One photo: decode it, cut the product out, letterbox it."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pvtt.errors import first_line
from pvtt.files.storage import raise_storage_fault
from pvtt.foreground.holes import foreground
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Rgba

if TYPE_CHECKING:
    from PIL.Image import Image


MAX_SIDE = 2048  # pixels kept of a larger photo
EDGE = (0.25, 0.75)  # of the soft mask: what becomes alpha 0 and 1; soft between
MIN_EDGE = 16  # pixels; the product's box must be this large to be worth enlarging


def decode(path: Path) -> Image:
    """A photo upright, in RGB or RGBA, at most `MAX_SIDE` large.

    Raises:
        ItemRejectedError: `undecodable`, also for a decompression bomb.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.draft("RGB", (MAX_SIDE, MAX_SIDE))  # decodes a large JPEG at a fraction of its size
                upright = ImageOps.exif_transpose(image)
                upright.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
                return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise_storage_fault(error, path)
        reason = first_line(error).replace(str(path), path.name)
        raise ItemRejectedError("undecodable", f"{path.name}: {reason}") from None


def cut_out(image: Image) -> Rgba:
    """The photo with its background transparent; a photo that comes cut out keeps its own alpha."""
    if image.mode == "RGBA":
        own = np.asarray(image)
        if own[..., 3].min() == 0:
            return own
    rgb = np.asarray(image.convert("RGB"))
    soft = foreground(rgb)
    low, high = EDGE
    alpha = np.clip((soft - low) / (high - low), 0.0, 1.0) * 255
    return np.dstack([rgb, np.round(alpha).astype(np.uint8)])


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
