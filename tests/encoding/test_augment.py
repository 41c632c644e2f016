from __future__ import annotations

import numpy as np

from pvtt.encoding.augment import ColourChange


def test_equal_pixels_of_video_and_photo_stay_equal_and_alpha_is_kept() -> None:
    change = ColourChange.draw(np.random.default_rng(3))
    video = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    photo = np.concatenate([video[0], np.full((4, 4, 1), 77, np.uint8)], axis=-1)
    assert (change.apply(video)[0] == change.apply(photo)[..., :3]).all()
    assert (change.apply(photo)[..., 3] == 77).all()


def test_the_identity_changes_nothing_and_a_draw_changes_colours_reproducibly() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    assert (ColourChange.identity().apply(pixels) == pixels).all()
    first, second = (ColourChange.draw(np.random.default_rng(5)).apply(pixels) for _ in range(2))
    assert (first == second).all()
    assert (first != pixels).any()


def test_greys_stay_near_grey_and_hues_turn() -> None:
    random = np.random.default_rng(0)
    grey = np.full((1, 1, 3), 128, np.uint8)
    red = np.array([[[200, 60, 60]]], np.uint8)
    changes = [ColourChange.draw(random) for _ in range(200)]
    assert np.mean([abs(int(c.apply(grey).mean()) - 128) for c in changes]) < 20
    strongest = {int(c.apply(red)[0, 0].argmax()) for c in changes}
    assert strongest == {0, 1, 2}
