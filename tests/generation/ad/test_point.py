"""What is at a point of a frame."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.generation.ad.point import PointDetector
from tests.generation.ad.films import two_products_shot


@pytest.mark.parametrize(("point", "box"), [((77, 66), (46, 36, 108, 97)), ((134, 95), (119, 80, 150, 111))])
def test_of_two_products_it_is_the_one_at_the_point(point: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    detection = PointDetector(point).detect(two_products_shot()[0])
    assert detection.num_products == 1
    assert np.abs(detection.boxes[0] - box).max() <= 6
    assert detection.mask is not None
    assert detection.mask[point[1], point[0]] > 0.5
    rows, columns = np.nonzero(detection.mask >= 0.5)
    assert box[0] - 8 < columns.min() < columns.max() < box[2] + 8
    assert box[1] - 8 < rows.min() < rows.max() < box[3] + 8


@pytest.mark.parametrize("point", [(6, 6), (180, 20), (6, 120)])
def test_a_bare_backdrop_is_nothing(point: tuple[int, int]) -> None:
    assert PointDetector(point).detect(two_products_shot()[0]).num_products == 0
