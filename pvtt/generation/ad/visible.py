"""The label that a viewer sees: a line of text in a corner of every frame.

GB 45438-2025, 5.4, wants it on the first frame, for two seconds or more, in letters that are 5 % of the shorter side
high, and allows it elsewhere. An ad's first shot may be one that nothing was generated in, and parts of an ad are shown
alone; so it is on all frames, and one need not ask which.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pvtt.errors import MissingInputError, PvttError
from pvtt.media.arrays import Frame

DEFAULT_TEXT = "AI generated"
LETTER_HEIGHT = Fraction(1, 20)  # of the frame's shorter side: GB 45438-2025, 5.4
MARGIN = 0.025  # likewise, from the frame's edges
SHADE = 0.6  # how much darker the ground is: white letters stand out on any picture
MISSING = ("\uffff", "\U0010ffff")  # no characters, so that fonts draw what they draw for one they do not have
TRIAL_SIZE = 200  # pixels

Box = tuple[int, int, int, int]  # left, top, width, height


@dataclass(frozen=True, eq=False)
class VisibleLabel:
    """A label for frames of one size.

    Args:
        left: Of its box, in pixels.
        top: Likewise.
        letters: How much of a pixel letters cover, 0 to 1, (H, W, 1): the box.
    """

    left: int
    top: int
    letters: npt.NDArray[np.float32]

    @property
    def box(self) -> Box:
        height, width = self.letters.shape[:2]
        return self.left, self.top, width, height

    def on(self, frame: Frame) -> Frame:
        """A frame with the label, (H, W, 3); outside the box it is the given one."""
        left, top, width, height = self.box
        place = slice(top, top + height), slice(left, left + width)
        ground = frame[place].astype(np.float32) * (1 - SHADE)
        marked = frame.copy()
        marked[place] = np.rint(ground + (255 - ground) * self.letters).astype(np.uint8)
        return marked


def check_text(text: str, font: Path | None) -> None:
    """Find out before the work whether a text can be drawn.

    Raises:
        MissingInputError: There is no such font.
        PvttError: It is no font, or lacks a character.
    """
    if not text.strip() or not text.isprintable():
        raise PvttError(f"the label {text!r} shows nothing that can be read", "give --label one line of text")
    drawn = _font(font, TRIAL_SIZE)
    blanks = [_pixels(drawn, character) for character in MISSING]
    lacking = sorted({one for one in text if not one.isspace() and _pixels(drawn, one) in blanks})
    if lacking:
        raise PvttError(
            f"{font or 'the built-in font'} has no {' '.join(lacking)} for the label {text!r}",
            "give --label-font FILE a .ttf, .otf or .ttc that has them, such as NotoSansCJK-Regular.ttc for Chinese",
        )


def draw_label(
    text: str, font: Path | None, size: tuple[int, int], pixel_aspect: Fraction, regions: Iterable[Box]
) -> VisibleLabel:
    """A label for frames of a width and height.

    Args:
        text: One that `check_text` let pass.
        font: A font's file; None takes Pillow's own.
        size: Of the frames, in pixels.
        pixel_aspect: A pixel's width over its height.
        regions: Where there are products; it comes into the corner where it hides the least of them.

    Raises:
        PvttError: It is wider than the frame.
    """
    width, height = size
    shorter = min(width * pixel_aspect, Fraction(height))
    letters = _letters(text, font, math.ceil(shorter * LETTER_HEIGHT), pixel_aspect)
    high, wide = letters.shape[:2]
    margin = math.ceil(MARGIN * shorter)
    if wide + 2 * margin > width or high + 2 * margin > height:
        raise PvttError(
            f"the label {text!r} is {wide} pixels wide at 5 % of the shorter side, and the frame {width}",
            "give --label a shorter text",
        )
    corners = [(left, top) for top in (margin, height - margin - high) for left in (margin, width - margin - wide)]
    shown = list(regions)
    left, top = min(corners, key=lambda corner: sum(_overlap((*corner, wide, high), region) for region in shown))
    return VisibleLabel(left, top, letters)


def _letters(text: str, font: Path | None, letter_height: int, pixel_aspect: Fraction) -> npt.NDArray[np.float32]:
    """The text in letters that are at least this many pixels high, with room around it, (H, W, 1)."""
    size = max(1, letter_height * TRIAL_SIZE // _letter_height(text, _font(font, TRIAL_SIZE)) - 2)
    while _letter_height(text, drawn := _font(font, size)) < letter_height:
        size += 1
    left, top, right, bottom = (int(edge) for edge in drawn.getbbox(text))
    room = math.ceil(0.3 * letter_height)
    picture = Image.new("L", (right - left + 2 * room, bottom - top + 2 * room))
    ImageDraw.Draw(picture).text((room - left, room - top), text, fill=255, font=drawn)
    covered = np.asarray(picture, np.float32) / np.float32(255)
    if pixel_aspect != 1:
        narrow = max(1, round(covered.shape[1] / pixel_aspect)), covered.shape[0]
        covered = np.asarray(cv2.resize(covered, narrow, interpolation=cv2.INTER_AREA), np.float32)
    return covered[..., None]


def _letter_height(text: str, font: ImageFont.FreeTypeFont) -> int:
    """Of the lowest of the capitals, digits and Chinese characters; small letters go with them, signs do not count."""
    high = [one for one in text if one.isalnum() and not one.islower()]
    counted = high or [one for one in text if one.isalnum()] or [one for one in text if not one.isspace()]
    boxes = [font.getbbox(one) for one in counted]
    return max(1, min(int(bottom - top) for _, top, _, bottom in boxes))


def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if path is None:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)  # with a size it is never the bitmap font
        return font
    if not path.is_file():
        raise MissingInputError(f"the font {path} does not exist", "give --label-font the file of a font")
    try:
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise PvttError(f"{path} is no font: {error}", "give --label-font a .ttf, .otf or .ttc") from None


def _pixels(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character, mode="L")
    return mask.size, bytes(mask)


def _overlap(one: Box, other: Box) -> int:
    """In pixels."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, down)
