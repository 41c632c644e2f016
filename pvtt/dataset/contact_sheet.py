"""Products at a glance: a line a product with a frame of each of its videos and its photos, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.files.atomic import atomic_path
from pvtt.records.catalog import MediaFile, Product

if TYPE_CHECKING:
    from PIL.Image import Image

CELL = 132, 132
GAP = 6
MARGIN = 16
LABEL_WIDTH = 224
MAX_CELLS = 7  # of a product
FRAME_SHOWN = 13  # of a video, or its last: often the first are black
PAPER, INK, SOFT, FRAME = "#ffffff", "#1b1f24", "#6a737d", "#e7eaee"
LABEL_CHARACTERS = 32


def draw_contact_sheet(products: Sequence[Product], data: Path, path: Path) -> None:
    """Write the sheet.

    Args:
        products: A line each, at least one.
        data: The folder that their media lie in.
        path: The PNG to write. A medium that cannot be read leaves a cell that says so.
    """
    from PIL import Image, ImageDraw, ImageFont

    lines = [(product, [*product.videos, *product.photos][:MAX_CELLS]) for product in products]
    columns = max(len(media) for _, media in lines)
    width = 2 * MARGIN + LABEL_WIDTH + columns * (CELL[0] + GAP) - GAP
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(lines) * (CELL[1] + GAP) - GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    large, small = (ImageFont.load_default(size=size) for size in (14, 12))
    for number, (product, media) in enumerate(lines):
        top = MARGIN + number * (CELL[1] + GAP)
        pen.text((MARGIN, top), _short(product.product_id), fill=INK, font=large)
        counts = f"videos: {len(product.videos)}, photos: {len(product.photos)}"
        about = [product.title, product.category, counts]
        for place, text in enumerate(about):
            pen.text((MARGIN, top + 24 + 18 * place), _short(text), fill=SOFT, font=small)
        for column, medium in enumerate(media):
            left = MARGIN + LABEL_WIDTH + column * (CELL[0] + GAP)
            sheet.paste(_cell(data, medium), (left, top))
            if medium in product.videos:
                pen.polygon([(left + 8, top + 8), (left + 8, top + 22), (left + 19, top + 15)], fill=PAPER, outline=INK)
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _cell(data: Path, medium: MediaFile) -> Image:
    from PIL import Image, ImageDraw, ImageOps

    from pvtt.errors import PvttError

    try:
        picture = _picture(data / medium.path, is_video=medium.media_type.startswith("video/"))
    except (OSError, ValueError, PvttError):
        cell = Image.new("RGB", CELL, FRAME)
        ImageDraw.Draw(cell).text((10, CELL[1] // 2 - 8), "cannot be read", fill=SOFT)
        return cell
    return ImageOps.pad(picture, CELL, method=Image.Resampling.LANCZOS, color=FRAME)


def _picture(path: Path, *, is_video: bool) -> Image:
    """A photo upright and on white, or a frame of a video half a second after its start."""
    from PIL import Image, ImageOps

    if is_video:
        from pvtt.media.video import iter_frames

        *_, frame = islice(iter_frames(path), FRAME_SHOWN)
        return Image.fromarray(frame)
    with Image.open(path) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGBA")
    white = Image.new("RGBA", upright.size, PAPER)
    return Image.alpha_composite(white, upright).convert("RGB")


def _short(text: str) -> str:
    """One line that fits beside the pictures."""
    line = " ".join(text.split())
    return line if len(line) <= LABEL_CHARACTERS else line[: LABEL_CHARACTERS - 1] + "…"
