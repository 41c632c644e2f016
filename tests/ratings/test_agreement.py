"""Krippendorff's alpha against published values."""

from __future__ import annotations

import pytest

from pvtt.ratings.agreement import krippendorff_alpha

# Krippendorff 2011, section D: four observers, twelve units, missing values; ordinal alpha 0.815.
PUBLISHED = [
    [1, 1, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [5, 5, 5],
    [1, 1],
    [3],
]


def test_the_published_example() -> None:
    assert krippendorff_alpha(PUBLISHED) == pytest.approx(0.815, abs=0.001)


def test_full_agreement_chance_and_opposition() -> None:
    assert krippendorff_alpha([[1, 1], [5, 5], [3, 3]]) == 1
    assert krippendorff_alpha([[2, 2], [2, 2]]) == 1
    opposed = krippendorff_alpha([[1, 5], [5, 1], [1, 5]])
    assert opposed is not None
    assert opposed < 0


def test_one_rater_has_no_agreement() -> None:
    assert krippendorff_alpha([[3], [4], []]) is None
    assert krippendorff_alpha([]) is None
