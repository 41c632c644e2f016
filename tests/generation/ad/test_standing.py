"""Where the old product stands, smoothly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pvtt.generation.ad.standing import Standing, diameter, follow, smooth
from pvtt.media.arrays import Region

WIDTH, HEIGHT = 120, 80


def boxes(edges: list[tuple[float, float, float, float]]) -> Region:
    """Masks of boxes (left, top, right, bottom), cut off at the frame's border; an empty one shows nothing."""
    product = np.zeros((len(edges), HEIGHT, WIDTH), np.bool_)
    for frame, box in zip(product, edges, strict=True):
        left, top, right, bottom = np.rint(box).clip(0, [WIDTH, HEIGHT] * 2).astype(int)
        frame[top:bottom, left:right] = True
    return product


def followed(product: Region, aspect: Fraction = Fraction(1)) -> Standing:
    """At half the size of the template's frames, 10 a second."""
    return follow(product, (2 * WIDTH, 2 * HEIGHT), aspect, Fraction(10))


def test_an_outline_that_trembles_gives_a_still_track() -> None:
    trembling = np.random.default_rng(0).uniform(-1.5, 1.5, (40, 4))
    standing = followed(boxes([(20 + t + a, 20 + b, 50 + t + c, 60 + d) for t, (a, b, c, d) in enumerate(trembling)]))
    assert standing.middle == pytest.approx(70 + 2 * np.arange(40), abs=3)
    assert standing.ground == pytest.approx(np.full(40, 120), abs=3)
    assert standing.size == pytest.approx(np.full(40, 100), abs=3)
    for track in (standing.middle, standing.ground, standing.size):
        assert np.abs(np.diff(track, 2)).max() < 0.6  # where the boxes' own are up to 12


def test_a_product_that_leaves_the_frame_neither_shrinks_nor_stops() -> None:
    standing = followed(boxes([(60 + 2 * t, 20, 90 + 2 * t, 60) for t in range(25)]))
    assert standing.whole.tolist() == [t < 15 for t in range(25)]
    assert standing.size == pytest.approx(np.full(25, 100), abs=0.01)
    assert standing.middle == pytest.approx(150 + 4 * np.arange(25))
    assert standing.middle[-1] > 2 * WIDTH  # gone by more than half


def test_one_that_is_cut_off_all_along_is_taken_as_it_is_seen() -> None:
    standing = followed(boxes([(30, 40, 60, 90)] * 8))
    assert not standing.whole.any()
    assert standing.ground == pytest.approx(np.full(8, 2 * HEIGHT))
    assert standing.size == pytest.approx(np.full(8, 100), abs=0.01)


def test_frames_without_it_lie_in_between() -> None:
    edges = [(20 + t, 20, 50 + t, 60) if t not in range(4, 9) else (0, 0, 0, 0) for t in range(12)]
    standing = followed(boxes([(float(a), float(b), float(c), float(d)) for a, b, c, d in edges]))
    assert standing.shown.tolist() == [0, 1, 2, 3, 9, 10, 11]
    assert standing.middle == pytest.approx(70 + 2 * np.arange(12), abs=1e-6)


def test_size_is_of_what_is_seen_where_pixels_are_not_square() -> None:
    standing = followed(boxes([(30, 20, 45, 60)] * 5), Fraction(2))
    assert standing.size == pytest.approx(np.full(5, 100), abs=0.01)
    assert standing.boxes(np.array([0.6, 0.8]))[0] == pytest.approx([60, 40, 90, 120], abs=0.01)


def test_a_single_value_is_the_same_everywhere() -> None:
    assert smooth(np.array([2]), np.array([7.0]), 5, 3).tolist() == [7.0] * 5


def test_of_a_round_product_the_size_is_its_diameter_and_of_a_box_its_diagonal() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ring = (np.hypot(x - 60, y - 40) < 30) & (np.hypot(x - 60, y - 40) > 24)
    assert diameter(ring, np.ones(2)) == pytest.approx(60, abs=1.5)
    (box,) = boxes([(10, 10, 40, 50)])
    assert diameter(box, np.ones(2)) == pytest.approx(50, abs=0.01)
    assert diameter(box, np.array([4 / 3, 1])) == pytest.approx(40 * np.sqrt(2), abs=0.01)
    one = np.zeros_like(box)
    one[3, 4] = True
    assert diameter(one, np.ones(2)) == pytest.approx(np.sqrt(2), abs=0.01)
