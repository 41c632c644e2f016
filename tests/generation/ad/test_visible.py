"""The label on the frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from pvtt.errors import MissingInputError, PvttError
from pvtt.generation.ad.visible import DEFAULT_TEXT, VisibleLabel, check_text, draw_label
from tests.generation.ad.films import noise

SQUARE = Fraction(1)


def write_font(path: Path, characters: str, height: int = 800) -> Path:
    """A font whose characters are solid boxes of this height in a thousandth of its size, each of its own width."""
    glyphs = {".notdef": 300} | {f"g{number}": 500 + 40 * number for number in range(len(characters))}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(one): f"g{number}" for number, one in enumerate(characters)})
    outlines = {}
    for name, width in glyphs.items():
        pen = TTGlyphPen(None)
        top = 400 if name == ".notdef" else height
        pen.moveTo((50, 0))
        for corner in ((50, top), (width - 50, top), (width - 50, 0)):
            pen.lineTo(corner)
        pen.closePath()
        outlines[name] = pen.glyph()
    builder.setupGlyf(outlines)
    builder.setupHorizontalMetrics({name: (width, 50) for name, width in glyphs.items()})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Boxes", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(str(path))
    return path


def ink(label: VisibleLabel) -> tuple[int, int]:
    """Height and width of what is clearly letters."""
    rows, columns = np.nonzero(label.letters[..., 0] > 0.5)
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 360), (192, 128), (191, 127)])
def test_capitals_are_five_hundredths_of_the_shorter_side_high_and_in_the_frame(size: tuple[int, int]) -> None:
    capitals = draw_label("AI", None, size, SQUARE, [])
    assert 0.05 * min(size) <= ink(capitals)[0] <= 0.05 * min(size) + 3
    left, top, width, height = draw_label(DEFAULT_TEXT, None, size, SQUARE, []).box
    assert min(left, top) > 0
    assert left + width < size[0]
    assert top + height < size[1]
    assert height < 0.15 * min(size)


def test_outside_its_box_the_frame_is_the_same_and_inside_white_stands_on_dark() -> None:
    label = draw_label(DEFAULT_TEXT, None, (320, 180), SQUARE, [])
    for frame in (noise((180, 320, 3)), np.full((180, 320, 3), 255, np.uint8)):
        before = frame.copy()
        marked = label.on(frame)
        np.testing.assert_array_equal(frame, before)
        left, top, width, height = label.box
        inside = np.zeros((180, 320), np.bool_)
        inside[top : top + height, left : left + width] = True
        np.testing.assert_array_equal(marked[~inside], frame[~inside])
        seen = marked[inside].reshape(height, width, 3)
        assert seen[label.letters[..., 0] == 1].min() == 255
        assert seen[label.letters[..., 0] == 0].max() <= 102
        np.testing.assert_array_equal(label.on(frame), marked)


def test_it_comes_into_the_corner_where_it_hides_no_product() -> None:
    size = (640, 360)
    first = draw_label(DEFAULT_TEXT, None, size, SQUARE, [])
    assert first.left < 320
    assert first.top < 180
    upper = draw_label(DEFAULT_TEXT, None, size, SQUARE, [(0, 0, 640, 180)])
    assert (upper.left < 320, upper.top > 180) == (True, True)
    crowded = draw_label(DEFAULT_TEXT, None, size, SQUARE, [(0, 0, 640, 180), (0, 180, 320, 180)])
    assert (crowded.left > 320, crowded.top > 180) == (True, True)


def test_pixels_that_are_not_square_do_not_stretch_it() -> None:
    square = ink(draw_label("AI", None, (640, 360), SQUARE, []))
    wide = ink(draw_label("AI", None, (320, 360), Fraction(2), []))
    assert wide[0] == square[0]
    assert abs(2 * wide[1] - square[1]) <= 4


def test_chinese_is_drawn_with_a_font_that_has_it_and_refused_by_name_without(tmp_path: Path) -> None:
    with pytest.raises(PvttError, match="the built-in font has no 成 生") as raised:
        check_text("AI生成", None)
    assert "--label-font FILE" in str(raised.value.hint)
    font = write_font(tmp_path / "boxes.ttf", "AI生成")
    check_text("AI生成", font)
    label = draw_label("AI生成", font, (640, 360), SQUARE, [])
    assert 18 <= ink(label)[0] <= 20
    gaps = (label.letters[..., 0].max(axis=0) > 0.5).astype(int)
    assert (np.diff(gaps) == 1).sum() == 4  # four characters
    lacking = write_font(tmp_path / "few.ttf", "AI生")
    with pytest.raises(PvttError, match=r"few\.ttf has no 成 for"):
        check_text("AI生成", lacking)


def test_a_font_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"no font")
    with pytest.raises(PvttError, match=r"no\.ttf is no font"):
        check_text("AI", tmp_path / "no.ttf")
    with pytest.raises(MissingInputError, match="does not exist"):
        check_text("AI", tmp_path / "none.ttf")


@pytest.mark.parametrize("text", ["", "   ", "two\nlines"])
def test_a_text_of_nothing_or_of_lines_is_refused(text: str) -> None:
    with pytest.raises(PvttError, match="nothing that can be read"):
        check_text(text, None)


def test_a_text_wider_than_the_frame_is_refused() -> None:
    with pytest.raises(PvttError, match="pixels wide") as raised:
        draw_label("AI generated " * 10, None, (640, 360), SQUARE, [])
    assert "shorter text" in str(raised.value.hint)
