"""Room for another product: where it could stand in a template, known by its photos alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pvtt.encoding.crop import bounding_box
from pvtt.media.arrays import Region, Rgba

PRESENT = 128  # of 255: a photo's pixel with this alpha shows the product


def room_for(product: Region, photos: Sequence[Rgba]) -> Region:
    """Boxes in which the photos' product can stand where another one stood, (F, H, W).

    Photos tell a product's form, not its size, so it is taken to be as large: its box has the old box's diagonal. It
    stands on the same ground, so both boxes share their lower edge and their middle. As no one knows which side it will
    turn to the camera, the box is as wide as its widest photo and as high as its highest.

    Args:
        product: Where the old product is, (F, H, W). A frame without it gets no room.
        photos: Of the new product, (S, S, 4) each, background removed; those that show nothing are left out.
    """
    height, width = product.shape[1:]
    room = np.zeros_like(product)
    shown = np.flatnonzero(product.any(axis=(1, 2)))
    sides = _sides(photos)
    if not len(shown) or sides is None:
        return room
    boxes = np.array([bounding_box(product[place]) for place in shown], dtype=np.float64)
    extent = boxes[:, 2:] - boxes[:, :2]
    # Straight lines over the frames: the box must not breathe with the old product's outline.
    degree = min(1, len(shown) - 1)
    tracks = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], np.hypot(*extent.T)])
    middle, ground, diagonal = (np.polyval(np.polyfit(shown, track, degree), shown) for track in tracks)
    for place, x, y, size in zip(shown, middle, ground, diagonal, strict=True):
        wide, high = size * sides
        left, right = np.clip(np.rint([x - wide / 2, x + wide / 2]), 0, width).astype(int)
        top, bottom = np.clip(np.rint([y - high, y]), 0, height).astype(int)
        room[place, top:bottom, left:right] = True
    return room


def _sides(photos: Sequence[Rgba]) -> npt.NDArray[np.float64] | None:
    """The greatest width and height over the photos, in diagonals of the product's box, (2,)."""
    boxes = [bounding_box(photo[..., 3] >= PRESENT) for photo in photos if (photo[..., 3] >= PRESENT).any()]
    if not boxes:
        return None
    extents = np.array([(right - left, bottom - top) for left, top, right, bottom in boxes], dtype=np.float64)
    return np.asarray((extents / np.hypot(*extents.T)[:, None]).max(axis=0), dtype=np.float64)
