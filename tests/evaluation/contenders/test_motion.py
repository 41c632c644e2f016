"""How a template's product moves, against a motion that is known."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.evaluation.contenders.motion import TemplateMotion
from tests.evaluation.contenders.scenes import CENTRE, HEIGHT, NUM_FRAMES, WIDTH, Moving, filmed, speckled

MOTIONS = [Moving(2.5, 1.0), Moving(1.5, -0.5, turn=4.0), Moving(1.0, 0.5, turn=-3.0, growth=1.03)]
PLACES = np.array([CENTRE, (CENTRE[0] - 20, CENTRE[1]), (CENTRE[0] + 20, CENTRE[1])])  # on the product


@pytest.mark.parametrize("moving", MOTIONS)
def test_points_find_shift_turn_and_growth(moving: Moving) -> None:
    for frame, found in enumerate(TemplateMotion(*filmed(moving)).transforms()):
        true = moving.transform(frame)
        where = [PLACES @ matrix[:, :2].T + matrix[:, 2] for matrix in (found, true)]
        assert np.abs(where[0] - where[1]).max() < 0.25


@pytest.mark.parametrize("moving", MOTIONS)
def test_flow_leads_back_to_the_first_frame_from_the_product_and_from_beyond_it(moving: Moving) -> None:
    to_first = TemplateMotion(*filmed(moving)).to_first
    assert to_first.shape == (NUM_FRAMES, HEIGHT, WIDTH, 2)
    wide = np.array([*PLACES, (CENTRE[0] + 34, CENTRE[1]), (CENTRE[0], CENTRE[1] - 26)])  # the last two beyond it
    for frame in range(NUM_FRAMES):
        matrix = moving.transform(frame)
        places = np.rint(wide @ matrix[:, :2].T + matrix[:, 2])
        true = np.linalg.solve(matrix[:, :2], (places - matrix[:, 2]).T).T - places
        columns, rows = places.astype(int).T
        assert np.linalg.norm(to_first[frame, rows, columns] - true, axis=-1).max() < 1.5


def test_what_stands_still_is_found_to() -> None:
    motion = TemplateMotion(*filmed(Moving()))
    assert np.abs(motion.back).max() < 0.05
    assert all(np.abs(found - np.eye(2, 3)).max() < 0.01 for found in motion.transforms())


def test_the_background_moves_nothing() -> None:
    """A camera that pans past a product which keeps its place in the frame."""
    still, product = filmed(Moving())
    ground = speckled(HEIGHT, WIDTH + 80, 2, 0, 255)
    panned = np.stack([ground[:, 5 * frame : 5 * frame + WIDTH] for frame in range(NUM_FRAMES)])
    motion = TemplateMotion(np.where(product[..., None], still, panned), product)
    assert np.abs(motion.to_first[:, product[0]]).max() < 0.5
    assert all(np.abs(found - np.eye(2, 3)).max() < 0.05 for found in motion.transforms())


def test_a_product_without_a_corner_and_a_template_without_a_product_stand_still() -> None:
    template, product = filmed(Moving(2.0, 0.0))
    nowhere = np.zeros_like(product)
    for motion in (TemplateMotion(np.full_like(template, 90), product), TemplateMotion(template, nowhere)):
        assert len(motion.transforms()) == NUM_FRAMES
        assert all(np.allclose(found, np.eye(2, 3)) for found in motion.transforms())
        assert np.isfinite(motion.back).all()


def test_points_that_are_covered_for_a_while_are_set_anew() -> None:
    moving = Moving(2.0, 0.0)
    template, product = filmed(moving)
    template[4] = 90
    product[4] = False
    found = TemplateMotion(template, product).transforms()
    shifts = np.array([matrix[0, 2] + (matrix[0, :2] @ CENTRE) - CENTRE[0] for matrix in found])
    assert shifts[3] == pytest.approx(6, abs=1)
    assert np.diff(shifts[6:]) == pytest.approx(2, abs=0.5)  # it follows again, from where it had lost it
