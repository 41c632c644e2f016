"""Product photos, as the photos stage left them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pvtt.errors import PvttError
from pvtt.media.arrays import Rgba
from pvtt.records.dataset import DatasetEntry


def read_photo(path: Path) -> Rgba:
    """A product photo, (S, S, 4) uint8 RGBA.

    Raises:
        PvttError: It is missing, damaged, or not a square RGBA picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4 or image.shape[0] != image.shape[1]:
        raise PvttError(f"{path} is not a square RGBA picture", "run `dvc repro photos` to make it again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA), dtype=np.uint8)


def read_photos(entry: DatasetEntry, root: Path, most: int) -> list[Rgba]:
    """The first `most` photos of a sample's product. `root` is what paths are relative to. Raises as `read_photo`."""
    return [read_photo(root / path) for path in entry.photo_paths[:most]]
