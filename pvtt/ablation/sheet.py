"""The contact sheet: the same samples by every row, first seed, middle frame. Nobody picks the good ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.ablation.basis import Basis
from pvtt.ablation.experiment import Experiment, plan
from pvtt.ablation.spec import Ablation
from pvtt.errors import MissingInputError
from pvtt.files.atomic import atomic_path
from pvtt.records.evaluation import EvaluatedSample, read_evaluated
from pvtt.report.figure import INK, PAPER, SOFT

if TYPE_CHECKING:
    from PIL.Image import Image

CELL = (240, 160)  # pixels
LABEL_WIDTH, GAP, MARGIN, HEAD = 230, 6, 14, 30
MAX_SAMPLES = 6
OUTPUT, TRUTH = "generated", "ground_truth"


def draw_sheet(ablation: Ablation, basis: Basis, folder: Path, path: Path) -> None:
    """Write the sheet as PNG: a column a sample; the truth, the photos, then a line a row.

    Args:
        ablation: The file.
        basis: The ablation's.
        folder: The ablation's.
        path: The PNG to write.

    Raises:
        MissingInputError: No two rows have saved videos of the same samples.
    """
    from PIL import Image, ImageDraw, ImageFont

    shown = _first_seed_of_each_row([one for one in plan(ablation, basis, folder) if one.is_done])
    saved = {one.row.name: _saved(one, ablation.split) for one in shown}
    keys = [key for key in saved[shown[0].row.name] if all(key in samples for samples in saved.values())][:MAX_SAMPLES]
    if not keys:
        raise MissingInputError(
            "the rows have no saved videos of the same samples",
            "set evaluate.save_videos above 0 in `fixed` and run again",
        )
    first = shown[0]
    lines: list[tuple[str, list[Image.Image]]] = [
        ("truth", [_frame(first, saved[first.row.name][key], TRUTH) for key in keys]),
        ("photos", [_photos(first, saved[first.row.name][key]) for key in keys]),
    ]
    lines += [(one.row.label, [_frame(one, saved[one.row.name][key], OUTPUT) for key in keys]) for one in shown]
    size = (
        2 * MARGIN + LABEL_WIDTH + len(keys) * (CELL[0] + GAP) - GAP,
        MARGIN + HEAD + len(lines) * (CELL[1] + GAP) - GAP,
    )
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for column, key in enumerate(keys):
        pen.text((MARGIN + LABEL_WIDTH + column * (CELL[0] + GAP), 9), key, fill=SOFT, font=font)
    for number, (label, cells) in enumerate(lines):
        top = HEAD + number * (CELL[1] + GAP)
        pen.multiline_text((MARGIN, top + 4), _wrap(label), fill=INK if number > 1 else SOFT, font=font)
        for column, cell in enumerate(cells):
            sheet.paste(cell, (MARGIN + LABEL_WIDTH + column * (CELL[0] + GAP), top))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _first_seed_of_each_row(done: Sequence[Experiment]) -> list[Experiment]:
    """Of the seed that most rows have: another seed evaluates other clips."""
    seeds = [one.seed for one in done]
    most = min(set(seeds), key=lambda seed: (-seeds.count(seed), seed))
    return [one for one in done if one.seed == most]


def _saved(experiment: Experiment, split: str) -> dict[str, EvaluatedSample]:
    samples = read_evaluated(experiment.workspace.out("evaluate"))
    return {one.key: one for one in samples if one.part == split and one.to_rate and OUTPUT in one.videos}


def _frame(experiment: Experiment, sample: EvaluatedSample, video: str) -> Image:
    from PIL import Image

    from pvtt.media.video import read_video

    frames = read_video(experiment.workspace.out("evaluate") / sample.videos[video])
    return _fit(Image.fromarray(frames[len(frames) // 2]))


def _photos(experiment: Experiment, sample: EvaluatedSample) -> Image:
    """Up to four on white, two a row."""
    from PIL import Image

    cell = Image.new("RGB", CELL, PAPER)
    width, height = CELL[0] // 2, CELL[1] // 2
    for number, path in enumerate(sample.photo_paths[:4]):
        with Image.open(experiment.workspace.root / path) as photo:
            picture = photo.convert("RGBA")
        picture.thumbnail((width - 4, height - 4))
        place = (number % 2 * width + (width - picture.width) // 2, number // 2 * height + 2)
        cell.paste(picture, place, picture)
    return cell


def _fit(image: Image) -> Image:
    from PIL import Image as Images
    from PIL import ImageOps

    return ImageOps.pad(image, CELL, method=Images.Resampling.LANCZOS, color=PAPER)


def _wrap(label: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(label, 28))
