"""The contact sheet: template, region and output of each shot's middle frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.media.arrays import Frame, FrameRegion

TILE_HEIGHT = 240  # pixels
GAP = 6
TITLE_HEIGHT = 26
GROUND = 250
REGION = np.array([235, 60, 60], np.float32)


@dataclass(frozen=True)
class SheetRow:
    """A shot's middle frame.

    Args:
        title: In plain ASCII.
        template: (H, W, 3).
        region: (H, W).
        output: (H, W, 3).
    """

    title: str
    template: Frame
    region: FrameRegion
    output: Frame


def reduced_row(title: str, template: Frame, region: FrameRegion, output: Frame) -> SheetRow:
    """A row at the sheet's size: what is kept of a frame while a long film is made."""
    height, width = template.shape[:2]
    size = _tile_width(width, height), TILE_HEIGHT
    small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (template, output)]
    inside = cv2.resize(region.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return SheetRow(title, np.asarray(small[0], np.uint8), inside, np.asarray(small[1], np.uint8))


def draw_sheet(rows: Sequence[SheetRow]) -> Frame:
    """Template, region and output side by side, a row a shot, (H, W, 3)."""
    drawn = []
    for row in rows:
        tinted = row.template.astype(np.float32)
        tinted[row.region] = 0.5 * tinted[row.region] + 0.5 * REGION
        tiles = [row.template, tinted.round().astype(np.uint8), row.output]
        gap = np.full((TILE_HEIGHT, GAP, 3), GROUND, np.uint8)
        strip = np.concatenate([tiles[0], gap, tiles[1], gap, tiles[2]], axis=1)
        title = title_strip(row.title, strip.shape[1])
        drawn.append(np.concatenate([title, strip, np.full((GAP, strip.shape[1], 3), GROUND, np.uint8)]))
    width = max(strip.shape[1] for strip in drawn)
    padded = [np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0)), constant_values=GROUND) for one in drawn]
    return np.concatenate(padded)


def title_strip(text: str, width: int, ground: int = GROUND) -> Frame:
    """A line of text as wide as given, smaller where it would not fit; letters that are not ASCII become `?`."""
    strip = np.full((TITLE_HEIGHT, width, 3), ground, np.uint8)
    shown = text.encode("ascii", "replace").decode()
    scale = min(0.5, 0.5 * width / max(1, 9 * len(shown)))
    cv2.putText(strip, shown, (4, 18), cv2.FONT_HERSHEY_SIMPLEX, scale, (40, 40, 40), 1, cv2.LINE_AA)
    return strip


def tiles_of(number: int, size: tuple[int, int]) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """Where template and output of a row are that `draw_sheet` draws: left, top, width, height in pixels.

    Args:
        number: Of the row, from 1.
        size: Width and height of the film.
    """
    width = _tile_width(*size)
    top = (number - 1) * (TITLE_HEIGHT + TILE_HEIGHT + GAP) + TITLE_HEIGHT
    return (0, top, width, TILE_HEIGHT), (2 * (width + GAP), top, width, TILE_HEIGHT)


def cut_tiles(sheet: Frame, number: int, size: tuple[int, int]) -> tuple[Frame, Frame] | None:
    """Template and output of a row that `draw_sheet` has drawn; None where the sheet does not have it.

    Args:
        sheet: (H, W, 3).
        number: Of the row, from 1.
        size: Width and height of the film.
    """
    template, output = tiles_of(number, size)
    if sheet.shape[0] < output[1] + output[3] or sheet.shape[1] < output[0] + output[2]:
        return None
    old, new = (sheet[top : top + high, left : left + wide] for left, top, wide, high in (template, output))
    return old, new


def _tile_width(width: int, height: int) -> int:
    return max(1, round(width * TILE_HEIGHT / height))
