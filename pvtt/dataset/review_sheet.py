"""Doubtful masks at a glance: what was looked at, with what was taken for the product outlined, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pvtt.dataset.review import Doubtful
from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_path
from pvtt.media.arrays import Frame, FrameRegion

if TYPE_CHECKING:
    from PIL.Image import Image

CELL = 216, 144
GAP = 6
MARGIN = 16
TEXT_HEIGHT = 22
NUM_FRAMES = 5  # of a clip, evenly over it
PHOTO_SIZE = 720, 720  # at most, of a photo as crawled
OUTLINE = (255, 0, 220)
PAPER, INK, SOFT = "#ffffff", "#1b1f24", "#e7eaee"


def draw_review_sheet(doubtful: Sequence[Doubtful], root: Path, path: Path) -> None:
    """Write the sheet.

    Args:
        doubtful: A line each, at least one.
        root: The folder that their pictures and results are relative to.
        path: The PNG to write. What cannot be read leaves a cell that says so.
    """
    from PIL import Image, ImageDraw, ImageFont

    line = CELL[1] + TEXT_HEIGHT + GAP
    size = 2 * MARGIN + NUM_FRAMES * (CELL[0] + GAP) - GAP, 2 * MARGIN + len(doubtful) * line - GAP
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for number, one in enumerate(doubtful):
        top = MARGIN + number * line
        sure = "" if one.confidence is None else f", confidence {one.confidence:.2f}"
        pen.text((MARGIN, top + 2), f"{one.name}: {', '.join(one.doubts)}{sure}", fill=INK, font=font)
        for column, cell in enumerate(_cells(one, root)):
            sheet.paste(cell, (MARGIN + column * (CELL[0] + GAP), top + TEXT_HEIGHT))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def num_pictures(one: Doubtful) -> int:
    """How many pictures show it."""
    return NUM_FRAMES if one.kind == "clip" else 2


def pictures(one: Doubtful, root: Path) -> list[Frame] | None:
    """What shows it, (H, W, 3) RGB each: a clip's frames with the mask outlined; a photo, and its cut-out.

    Args:
        one: A clip or photo.
        root: The folder that its picture and result are relative to.

    Returns:
        The pictures, or None where a file is gone or cannot be read.
    """
    from PIL import Image

    try:
        return _of_clip(one, root) if one.kind == "clip" else _of_photo(one, root)
    except (OSError, ValueError, LookupError, SyntaxError, PvttError, Image.DecompressionBombError):
        return None


def _cells(one: Doubtful, root: Path) -> list[Image]:
    from PIL import Image, ImageDraw, ImageOps

    found = pictures(one, root)
    if found is None:
        cell = Image.new("RGB", CELL, SOFT)
        ImageDraw.Draw(cell).text((10, CELL[1] // 2 - 8), "cannot be read", fill=INK)
        return [cell]
    return [ImageOps.pad(Image.fromarray(picture), CELL, color=SOFT) for picture in found]


def _of_clip(one: Doubtful, root: Path) -> list[Frame]:
    """Frames of the clip with the mask's outline."""
    from pvtt.media.masks import read_masks
    from pvtt.media.video import read_frames

    masks = read_masks(root / one.result)
    places = np.linspace(0, len(masks) - 1, NUM_FRAMES).round().astype(int).tolist()
    return [
        outlined(frame, masks[place] >= 128)
        for place, frame in zip(places, read_frames(root / one.picture, places), strict=True)
    ]


def _of_photo(one: Doubtful, root: Path) -> list[Frame]:
    """The photo as crawled, and its cut-out on a colour that hardly anything has."""
    from PIL import Image, ImageOps

    with Image.open(root / one.picture) as photo:
        photo.draft("RGB", PHOTO_SIZE)
        upright = ImageOps.exif_transpose(photo)
        upright.thumbnail(PHOTO_SIZE)
        crawled = np.asarray(upright.convert("RGB"))
    with Image.open(root / one.result) as photo:
        cut_out = photo.convert("RGBA")
    backdrop = Image.new("RGBA", cut_out.size, OUTLINE)
    return [crawled, np.asarray(Image.alpha_composite(backdrop, cut_out).convert("RGB"))]


def outlined(frame: Frame, mask: FrameRegion) -> Frame:
    """A frame, (H, W, 3) RGB, with the outline of a mask, (H, W), drawn on it."""
    import cv2

    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(frame.copy(), outlines, -1, OUTLINE, max(2, frame.shape[0] // 160)), np.uint8)
