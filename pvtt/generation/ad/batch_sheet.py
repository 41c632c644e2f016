"""The sheet of a batch: a line a template, its frame and that of each product's ad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from pvtt.generation.ad.record import AdRecord
from pvtt.generation.ad.sheet import GAP, GROUND, cut_tiles, title_strip
from pvtt.media.arrays import Frame

HEIGHT = 120  # of a tile in pixels
MIN_WIDTH = 150  # of a column: room for a name above a tall film
EMPTY = 225

Cell: TypeAlias = tuple[Frame, Frame] | str  # template and output, or why there is none


def read_cell(sheet: Path, record: AdRecord) -> Cell:
    """Template and output in the middle of an ad's longest generated shot, as its contact sheet has them."""
    generated = [shot for shot in record.shots if shot.generated]
    data = np.fromfile(sheet, np.uint8) if sheet.is_file() else np.empty(0, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    tiles = None
    if picture is not None and generated:
        longest = max(generated, key=lambda shot: shot.num_frames)
        tiles = cut_tiles(np.asarray(picture, np.uint8), longest.number, record.film_size)
    if tiles is None:
        return "no sheet"
    template, output = (_reduced(tile) for tile in tiles)
    return template, output


def _reduced(tile: Frame) -> Frame:
    width = max(1, round(tile.shape[1] * HEIGHT / tile.shape[0]))
    return np.asarray(cv2.resize(tile, (width, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def draw_grid(templates: Sequence[str], products: Sequence[str], cells: Mapping[tuple[str, str], Cell]) -> Frame:
    """A line a template, a column a product, (H, W, 3).

    Args:
        templates: Names.
        products: Names; their numbers in this order stand before them, since the sheet's letters are ASCII alone.
        cells: By template and product.
    """
    pictures = [cell for cell in cells.values() if not isinstance(cell, str)]
    width = max([MIN_WIDTH, *(tile.shape[1] for pair in pictures for tile in pair)])
    titles = [f"{number} {name}" for number, name in enumerate(products, start=1)]
    lines = [_line([title_strip(title, width) for title in ("template", *titles)])]
    for name in templates:
        of_template = [cells[name, product] for product in products]
        shown = next((cell[0] for cell in of_template if not isinstance(cell, str)), None)
        tiles = [_words("", width) if shown is None else _centred(shown, width)]
        tiles += [_words(cell, width) if isinstance(cell, str) else _centred(cell[1], width) for cell in of_template]
        line = _line(tiles)
        lines += [title_strip(name, line.shape[1]), line, np.full((GAP, line.shape[1], 3), GROUND, np.uint8)]
    return np.concatenate(lines)


def _line(tiles: Sequence[Frame]) -> Frame:
    gap = np.full((tiles[0].shape[0], GAP, 3), GROUND, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)


def _centred(tile: Frame, width: int) -> Frame:
    missing = width - tile.shape[1]
    return np.pad(tile, ((0, 0), (missing // 2, missing - missing // 2), (0, 0)), constant_values=GROUND)


def _words(text: str, width: int) -> Frame:
    """A cell without a picture."""
    tile = np.full((HEIGHT, width, 3), EMPTY, np.uint8)
    strip = title_strip(text, width, ground=EMPTY)
    top = (HEIGHT - strip.shape[0]) // 2
    tile[top : top + strip.shape[0]] = strip
    return tile
