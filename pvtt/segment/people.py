"""Signs of hands and people on a key frame: what a saliency network takes for the product, or for a part of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pvtt.media.arrays import Frame, FrameRegion
from pvtt.records.base import Record

if TYPE_CHECKING:
    import cv2

LINES = 240  # height at which is looked
BORDER = 3  # pixels of these that count as the border: a network's masks end a little short of it
MIN_FACE = 24  # pixels of these
MIN_FACE_SKIN = 0.4  # of a face's box; patterns that the cascade takes for faces have other colours


class Sighting(Record):
    """What was seen on one key frame, as shares."""

    contact: float  # of the frame's border: mask
    skin: float  # of the mask: colours of skin
    face: bool  # a face is, for the larger part, in the mask


def look(frame: Frame, mask: FrameRegion) -> Sighting:
    """Look for skin and faces in the mask, (H, W), of a frame, (H, W, 3) RGB."""
    import cv2

    size = max(1, round(frame.shape[1] * LINES / frame.shape[0])), LINES
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    inside = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) >= 128
    border = np.ones_like(inside)
    border[BORDER:-BORDER, BORDER:-BORDER] = False
    bare = skin(small)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    boxes = _faces().detectMultiScale(grey, 1.1, 3, minSize=(MIN_FACE, MIN_FACE))
    faces = [np.s_[top : top + height, left : left + width] for left, top, width, height in boxes]
    return Sighting(
        contact=float((inside & border).sum() / border.sum()),
        skin=float((bare & inside).sum() / max(1, inside.sum())),
        face=any(inside[box].mean() > 0.5 and bare[box].mean() >= MIN_FACE_SKIN for box in faces),
    )


def skin(image: Frame) -> FrameRegion:
    """Where a picture, (H, W, 3) RGB, has colours of skin, of any complexion in even light; (H, W).

    The box of Chai and Ngan, "Face Segmentation Using Skin-Color Map in Videophone Applications", 1999, without greys
    and what is strongly coloured. Wood, copper and skin are alike: it is a sign and no proof.
    """
    import cv2

    luma, red, blue = np.moveaxis(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)), -1, 0)
    saturation = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))[..., 1]
    toned = (red >= 136) & (red <= 173) & (blue >= 77) & (blue <= 127) & (luma > 50)
    ordered = (image[..., 0] > image[..., 1]) & (image[..., 1] > image[..., 2])
    return np.asarray(toned & ordered & (saturation > 40) & (saturation < 180), np.bool_)


@cache
def _faces() -> cv2.CascadeClassifier:
    """Frontal faces, from the weights inside the package of OpenCV."""
    import cv2

    cv2.setNumThreads(1)
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"))
