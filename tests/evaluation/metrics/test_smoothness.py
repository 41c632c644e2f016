"""Motion smoothness falls where frames jump; cuts are seen where they are."""

from __future__ import annotations

import numpy as np

from pvtt.evaluation.metrics.smoothness import cut_errors, cuts, motion_smoothness
from tests.evaluation.clips import moving_box
from tests.evaluation.metrics.test_motion import everywhere, panning


def test_a_steady_pan_is_smooth_and_a_stuttering_one_is_not() -> None:
    steady = panning(2, num_frames=7)
    stutter = steady[[0, 0, 3, 3, 6, 6, 6]]
    values = [motion_smoothness(video, everywhere(video)) for video in (steady, stutter)]
    assert values[0] is not None
    assert values[1] is not None
    assert values[0] > 0.98
    assert values[1] < values[0] - 0.02
    assert motion_smoothness(steady[:2], everywhere(steady[:2])) is None
    assert motion_smoothness(steady, ~everywhere(steady)) is None


def test_cuts_are_where_the_picture_changes() -> None:
    film, _ = moving_box(num_frames=6)
    other = np.full_like(film, (20, 200, 90))
    cut = np.concatenate([film[:2], other[2:4], film[4:]])
    assert cuts(film) == []
    assert cuts(cut) == [2, 4]
    assert cut_errors(cut, film) == 2
    assert cut_errors(cut, cut) == 0
