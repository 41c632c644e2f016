"""Colour differences of palettes."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from pvtt.evaluation.metrics.colour import main_colours, product_delta_e
from tests.evaluation.clips import moving_box


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((2, 16, 16, 3), colour, np.uint8)


def test_two_plain_colours_differ_by_ciede2000() -> None:
    first, second = (200, 60, 40), (60, 80, 190)
    region = np.ones((2, 16, 16), np.bool_)
    labs = [rgb2lab(np.array([[colour]], np.uint8))[0, 0] for colour in (first, second)]
    assert product_delta_e(plain(first), plain(second), region) == pytest.approx(deltaE_ciede2000(*labs), abs=1e-3)


def test_identical_and_moved_stripes_have_no_difference() -> None:
    truth, region = moving_box()
    assert product_delta_e(truth, truth, region) == pytest.approx(0, abs=1e-9)
    moved = truth.copy()
    moved[:, 16:48] = np.roll(moved[:, 16:48], 0, axis=2)[:, ::-1]
    assert product_delta_e(moved, truth, region) == pytest.approx(0, abs=0.1)


def test_the_palette_is_the_two_stripes() -> None:
    truth, region = moving_box()
    palette = main_colours(truth, region)
    assert palette is not None
    assert sorted(palette.shares.round(2)) == [0.5, 0.5]


def test_an_exchanged_colour_costs_its_share() -> None:
    red, yellow, blue = (210, 40, 30), (240, 220, 60), (40, 60, 220)
    truth, region = moving_box((red, yellow))
    half, _ = moving_box((red, blue))
    labs = [rgb2lab(np.array([[colour]], np.uint8))[0, 0] for colour in (yellow, blue)]
    assert product_delta_e(half, truth, region) == pytest.approx(deltaE_ciede2000(*labs) / 2, abs=0.1)


def test_an_empty_region_is_not_measured() -> None:
    truth, region = moving_box()
    assert product_delta_e(truth, truth, np.zeros_like(region)) is None
