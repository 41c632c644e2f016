"""The hole filled from its surroundings."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.media.inpaint import inpaint


def test_a_smooth_ground_is_continued_and_the_rest_is_untouched() -> None:
    ground = np.repeat(np.linspace(40, 200, 96)[None, :, None], 3, axis=-1).repeat(64, axis=0).astype(np.uint8)
    template = np.stack([ground] * 3)
    hole = np.zeros(template.shape[:3], np.bool_)
    hole[:, 20:40, 30:60] = True
    filled = inpaint(np.where(hole[..., None], np.uint8(128), template), hole)
    assert np.abs(filled[hole].astype(int) - template[hole]).mean() < 5
    assert (filled[~hole] == template[~hole]).all()


@pytest.mark.parametrize("top", [10, 0])
def test_what_lies_in_the_hole_is_not_looked_at(top: int) -> None:
    """Also where it touches the frame's border."""
    random = np.random.default_rng(0)
    template = random.integers(0, 256, (2, 48, 64, 3), dtype=np.uint8)
    hole = np.zeros((2, 48, 64), np.bool_)
    hole[:, top:30, 20:45] = True
    other = np.where(hole[..., None], random.integers(0, 256, template.shape, dtype=np.uint8), template)
    assert (inpaint(template, hole) == inpaint(other, hole)).all()
