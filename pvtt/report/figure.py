"""The README's picture: one row a product, template | mask | photos | output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_path
from pvtt.records.evaluation import EvaluatedSample

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

WIDTH, HEIGHT = 300, 200  # of a cell
GAP, MARGIN, HEAD = 10, 16, 34
INK, SOFT, PAPER = (28, 32, 36), (110, 118, 128), (255, 255, 255)
TITLES = ("template", "mask", "photos", "output")


def draw_figure(
    samples: Sequence[EvaluatedSample],
    videos: Path,
    root: Path,
    destination: Path,
    num_rows: int,
    swapped: bool = False,
) -> None:
    """Draw the middle frame of the first `num_rows` samples to rate, in their order: nobody picks the good ones.

    Args:
        samples: The evaluated samples of one split.
        videos: Folder that the samples' video paths are relative to.
        root: Folder that the samples' photo paths are relative to.
        destination: The PNG to write.
        num_rows: Samples to show at most, one a row.
        swapped: Another product's photos, and the output made from them: the transfer itself.

    Raises:
        PvttError: No sample has these videos.
    """
    from PIL import Image, ImageDraw, ImageFont

    output = "swapped" if swapped else "generated"
    shown = [sample for sample in samples if sample.to_rate and output in sample.videos][:num_rows]
    if not shown:
        raise PvttError("no saved videos to draw", "set evaluate.save_videos above 0 and run `dvc repro evaluate`")
    size = (
        2 * MARGIN + len(TITLES) * WIDTH + (len(TITLES) - 1) * GAP,
        HEAD + len(shown) * (HEIGHT + GAP) - GAP + MARGIN,
    )
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    font: FreeTypeFont | ImageFont.ImageFont = ImageFont.load_default(size=16)
    for column, title in enumerate(TITLES):
        pen.text((MARGIN + column * (WIDTH + GAP), 9), title, fill=SOFT, font=font)
    for row, sample in enumerate(shown):
        cells = (
            _middle_frame(videos / sample.videos["ground_truth"]),
            _mask(videos, sample),
            _photos([root / path for path in (sample.swapped_photo_paths if swapped else sample.photo_paths)[:4]]),
            _middle_frame(videos / sample.videos[output]),
        )
        for column, cell in enumerate(cells):
            sheet.paste(_fit(cell), (MARGIN + column * (WIDTH + GAP), HEAD + row * (HEIGHT + GAP)))
    with atomic_path(destination) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _middle_frame(path: Path) -> Image.Image:
    from PIL import Image

    from pvtt.media.video import read_video

    frames = read_video(path)
    return Image.fromarray(frames[len(frames) // 2])


def _mask(videos: Path, sample: EvaluatedSample) -> Image.Image:
    """The template, pale, with the part to generate in a strong colour."""
    from PIL import Image

    frame = np.asarray(_middle_frame(videos / sample.videos["ground_truth"]), dtype=np.float32)
    hole = np.asarray(_middle_frame(videos / sample.videos["mask"])).mean(axis=-1, keepdims=True) > 127
    pale = 255 - (255 - frame) * 0.45
    return Image.fromarray(np.where(hole, (47, 127, 209), pale).astype(np.uint8))


def _photos(paths: Sequence[Path]) -> Image.Image:
    """Up to four photos on white, two a row."""
    from PIL import Image

    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    side = HEIGHT // 2
    for number, path in enumerate(paths):
        with Image.open(path) as photo:
            picture = photo.convert("RGBA")
        picture.thumbnail((side - 6, side - 6))
        place = ((number % 2) * WIDTH // 2 + (WIDTH // 2 - picture.width) // 2, (number // 2) * side + 3)
        sheet.paste(picture, place, picture)
    return sheet


def _fit(image: Image.Image) -> Image.Image:
    """Scaled and centred into a cell."""
    from PIL import Image, ImageOps

    return ImageOps.pad(image, (WIDTH, HEIGHT), method=Image.Resampling.LANCZOS, color=PAPER)
