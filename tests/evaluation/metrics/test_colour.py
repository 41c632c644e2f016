"""Colour differences of palettes."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from pvtt.evaluation.metrics.colour import Palette, main_colours, palette_distance, product_delta_e
from tests.evaluation.clips import moving_box, noisy


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


def test_a_shade_has_one_palette_whatever_noise_lies_over_it() -> None:
    """k-means parts a ramp another way each time: up to 6 apart."""
    random = np.random.default_rng(0)
    distances = []
    for _ in range(12):
        first, last = random.integers(0, 256, (2, 3))
        ramp = np.linspace(0, 1, 64)[None, None, :, None] * (last - first) + first
        clean = np.broadcast_to(ramp, (2, 24, 64, 3)).round().astype(np.uint8)
        region = np.ones(clean.shape[:3], np.bool_)
        assert product_delta_e(clean, clean, region) == 0
        distances.append(product_delta_e(noisy(clean, 3), clean, region))
        region[:, :, 0] = False
        distances.append(palette_distance(main_colours(clean, region), main_colours(clean, region | True)))
    assert max(distances) < 1.5
    assert np.mean(distances) < 0.5


# Sharma, Wu and Dalal, *The CIEDE2000 color-difference formula*, Color Research & Application 30, 2005, table 1:
# L*, a*, b* of two colours, and their difference.
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


@pytest.mark.parametrize("line", SHARMA.strip().splitlines())
def test_palettes_of_one_colour_are_apart_by_the_published_differences(line: str) -> None:
    numbers = [float(number) for number in line.split()]
    first, second = (Palette(np.array([lab]), np.ones(1)) for lab in (numbers[:3], numbers[3:6]))
    assert palette_distance(first, second) == pytest.approx(numbers[6], abs=5e-5)
