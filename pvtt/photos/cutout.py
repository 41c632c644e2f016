"""One photo: decode it, cut the product out."""

from __future__ import annotations

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
