"""Pictures of datasets that others made: whole ones, or a reject."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pvtt.files.links import lies_within
from pvtt.items.runner import ItemRejectedError


def is_own(path: Path, folder: Path) -> bool:
    """Whether a file or a folder is one of `folder`'s: there, links followed, and no link leads in a circle."""
    try:
        return path.exists() and lies_within(path, folder)
    except (OSError, RuntimeError):  # a circle of links
        return False


def read_picture(path: Path, mode: str | None = None) -> npt.NDArray[np.uint8]:
    """A picture, (H, W, C) or (H, W).

    Args:
        path: The file.
        mode: Pillow's name of what it is converted to, such as `RGB`; None: as it is, if it is `L` or `RGBA`.

    Raises:
        ItemRejectedError: `unreadable`: it is no picture, it is cut off, or of another mode.
        OSError: The file cannot be read.
    """
    from PIL import Image

    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if mode is None and picture.mode not in ("L", "RGBA"):
                raise ItemRejectedError("unreadable", f"{path.name!a} is {picture.mode}, not 8-bit grey or RGBA")
            return np.asarray(picture if mode is None else picture.convert(mode), np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ItemRejectedError("unreadable", f"{path.name!a} is no picture, or it is cut off: {error}") from None
