"""A seam is seen where the output's border is steeper than the real video's own."""

from __future__ import annotations

import numpy as np

from pvtt.evaluation.metrics.seam import border_gradient


def test_a_step_at_the_border_is_its_height_and_inside_it_is_none() -> None:
    video = np.full((2, 20, 30, 3), 100, np.uint8)
    hole = np.zeros((2, 20, 30), bool)
    hole[:, 5:15, 8:20] = True
    assert border_gradient(video, hole) == 0
    stepped = video.copy()
    stepped[hole] = 112
    assert border_gradient(stepped, hole) == 12
    inside = video.copy()
    inside[:, 8:12, 10:15] = 250  # clear of the border
    assert border_gradient(inside, hole) == 0
    assert border_gradient(video, np.ones_like(hole)) is None
    assert border_gradient(video, np.zeros_like(hole)) is None


def test_more_of_a_step_is_more_of_a_seam() -> None:
    random = np.random.default_rng(0)
    video = random.integers(90, 110, (3, 40, 60, 3), dtype=np.uint8)
    hole = np.zeros((3, 40, 60), bool)
    hole[:, 10:30, 15:45] = True
    values = []
    for step in (0, 5, 10, 20, 40):
        stepped = video.copy()
        stepped[hole] += np.uint8(step)
        values.append(border_gradient(stepped, hole))
    assert values == sorted(values)
    assert values[-1] > 4 * values[0]
