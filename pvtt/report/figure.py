"""The README's picture: a row a sample, template | photos | hole | other contenders, if asked for | output | truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_path
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.parts import Part

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

# Pixels. A README shows the picture at about half its size.
WIDTH, HEIGHT = 336, 224  # of a cell
GAP, MARGIN = 12, 28
TITLE, SECTION = 46, 74  # heights of the columns' and of a section's heading
PHOTO_GAP = 8
INK, SOFT, PAPER, HOLE = (28, 32, 36), (98, 106, 116), (255, 255, 255), (47, 127, 209)
HEADINGS: dict[Part, str] = {
    "transfer": "Transfer: another product in the template's place",
    "train": "Reconstruct: the template's own product, seen in training",
    "val": "Reconstruct: the template's own product",
    "test": "Reconstruct: the template's own product",
}


def draw_figure(
    samples: Sequence[EvaluatedSample],
    videos: Path,
    root: Path,
    destination: Path,
    num_rows: int,
    part: Part = "test",
    beside: Sequence[str] = (),
) -> None:
    """Draw the middle frames of the first transfers, then of the first samples of a part: nobody picks the good ones.

    Args:
        samples: The evaluated samples.
        videos: Folder that the samples' video paths are relative to.
        root: Folder that the samples' photo paths are relative to.
        destination: The PNG to write.
        num_rows: Samples to show at most of the transfers, and of the part; one a row.
        part: What is shown below the transfers; `transfer` for nothing.
        beside: Contenders whose videos are shown too, where the evaluation has kept them.

    Raises:
        PvttError: No sample has videos, or none of a contender.
    """
    from PIL import Image, ImageDraw

    columns = ("template", "photos", "hole", *(name.replace("_", " ") for name in beside), "output", "truth")
    sections = [
        (HEADINGS[shown], rows)
        for shown in dict.fromkeys(("transfer", part))
        if (rows := [one for one in samples if one.part == shown and _is_shown(one)][:num_rows])
    ]
    if not sections:
        raise PvttError("no saved videos to draw", "set evaluate.save_videos above 0 and run `dvc repro evaluate`")
    for name in beside:
        if not any(name in one.videos for _, rows in sections for one in rows):
            raise PvttError(
                f"there is no saved video of {name}", "put it into evaluate.routes.run and run `dvc repro evaluate`"
            )
    heights = [SECTION + len(rows) * (HEIGHT + GAP) - GAP for _, rows in sections]
    size = (2 * MARGIN + len(columns) * (WIDTH + GAP) - GAP, TITLE + sum(heights) + MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(columns):
        middle = MARGIN + column * (WIDTH + GAP) + WIDTH // 2
        pen.text((middle, MARGIN + 4), title, fill=SOFT, font=_font(28), anchor="mm")
    top = TITLE
    for (heading, rows), height in zip(sections, heights, strict=True):
        _draw_section(sheet, pen, top, heading, [_cells(sample, videos, root, beside) for sample in rows])
        top += height
    with atomic_path(destination) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _is_shown(sample: EvaluatedSample) -> bool:
    return bool(sample.videos) and (sample.to_rate or sample.track == "transfer")


def _draw_section(
    sheet: Image.Image, pen: ImageDraw, top: int, heading: str, rows: Sequence[Sequence[Image.Image]]
) -> None:
    pen.text((MARGIN, top + SECTION - 14), heading, fill=INK, font=_font(32), anchor="ls")
    for number, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            place = (MARGIN + column * (WIDTH + GAP), top + SECTION + number * (HEIGHT + GAP))
            sheet.paste(_fit(cell), place)


def _cells(sample: EvaluatedSample, videos: Path, root: Path, beside: Sequence[str]) -> tuple[Image.Image, ...]:
    """A sample's pictures, in the order of the columns; an empty one where a contender made no video."""
    from PIL import Image

    truth = _middle_frame(videos / sample.videos["ground_truth"])
    template = _middle_frame(videos / sample.videos["template"]) if "template" in sample.videos else truth
    mask = _middle_frame(videos / sample.videos["mask"])
    output = _middle_frame(videos / sample.videos["generated"])
    photos = _photos([root / path for path in sample.photo_paths[:4]])
    others = [
        _middle_frame(videos / sample.videos[name]) if name in sample.videos else Image.new("RGB", truth.size, PAPER)
        for name in beside
    ]
    return template, photos, _hole(template, mask), *others, output, truth


def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def _middle_frame(path: Path) -> Image.Image:
    from PIL import Image

    from pvtt.media.video import read_video

    frames = read_video(path)
    return Image.fromarray(frames[len(frames) // 2])


def _hole(template: Image.Image, mask: Image.Image) -> Image.Image:
    """The template, pale, with the part to generate in a strong colour."""
    from PIL import Image

    pale = 255 - (255 - np.asarray(template, dtype=np.float32)) * 0.45
    hole = np.asarray(mask).mean(axis=-1, keepdims=True) > 127
    return Image.fromarray(np.where(hole, HOLE, pale).astype(np.uint8))


def _photos(paths: Sequence[Path]) -> Image.Image:
    """Up to four photos on white, two a row; a single one in the middle."""
    from PIL import Image

    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    rows = [paths[start : start + 2] for start in range(0, len(paths), 2)]
    high = HEIGHT // max(len(rows), 1)
    for number, row in enumerate(rows):
        for place, path in enumerate(row):
            with Image.open(path) as photo:
                picture = _trimmed(photo.convert("RGBA"))
            picture.thumbnail((WIDTH // 2 - PHOTO_GAP, high - PHOTO_GAP), Image.Resampling.LANCZOS)
            middle = round(WIDTH * (2 * place + 1) / (2 * len(row)))
            corner = (middle - picture.width // 2, number * high + (high - picture.height) // 2)
            sheet.paste(picture, corner, picture)
    return sheet


def _trimmed(photo: Image.Image) -> Image.Image:
    """Without the transparent border."""
    box = photo.getchannel("A").getbbox()
    return photo if box is None else photo.crop(box)


def _fit(image: Image.Image) -> Image.Image:
    """Scaled and centred into a cell."""
    from PIL import Image, ImageOps

    return ImageOps.pad(image, (WIDTH, HEIGHT), method=Image.Resampling.LANCZOS, color=PAPER)
