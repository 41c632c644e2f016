from __future__ import annotations

import numpy as np
import pytest

from pvtt.encoding.photo_change import PhotoChange
from pvtt.media.arrays import Rgba
from pvtt.params.encode import PhotoAugmentParams

SIDE = 64
ON = {"crop": 1.0, "light": 1.0, "perspective": 1.0, "background": 1.0}


def a_photo() -> Rgba:
    """A red and a green half, cut out."""
    photo = np.zeros((SIDE, SIDE, 4), np.uint8)
    photo[8:56, 8:32] = (200, 40, 40, 255)
    photo[8:56, 32:56] = (40, 160, 40, 255)
    return photo


def draw(seed: int, **shares: float) -> PhotoChange:
    return PhotoChange.draw(PhotoAugmentParams(**shares), np.random.default_rng(seed))


def test_what_is_off_changes_no_pixel() -> None:
    photo = a_photo()
    assert draw(0) == PhotoChange()
    assert PhotoChange().apply(photo) is photo


@pytest.mark.parametrize("name", ON)
def test_each_side_has_its_own_switch_and_its_own_draw(name: str) -> None:
    for seed in range(20):
        alone, together = draw(seed, **{name: 1.0}), draw(seed, **ON)
        assert getattr(alone, name) == getattr(together, name)
        assert alone == PhotoChange(**{name: getattr(alone, name)})
    half = sum(draw(seed, **{name: 0.5}) != PhotoChange() for seed in range(400)) / 400
    assert half == pytest.approx(0.5, abs=0.08)


def test_the_product_stays_the_one_it_is() -> None:
    """Its colours keep their hue and stand in their places, and all but a margin of it is seen."""
    photo = a_photo()
    for seed in range(40):
        changed = draw(seed, crop=1.0, light=1.0, perspective=1.0).apply(photo)
        solid = changed[..., 3] == 255
        red, green = (solid & (changed[..., channel] > 1.5 * changed[..., 1 - channel]) for channel in (0, 1))
        assert (red | green)[solid].mean() > 0.93  # the seam between them is mixed
        assert np.flatnonzero(red.any(0)).mean() < np.flatnonzero(green.any(0)).mean()
        assert 0.4 < solid.sum() / (photo[..., 3] > 0).sum() < 1.5


def test_light_is_brighter_or_darker_but_no_other_colour() -> None:
    photo = a_photo()
    for seed in range(20):
        change = draw(seed, light=1.0)
        pixel = change.apply(photo)[30, 20].astype(float)
        assert pixel[3] == 255
        assert pixel[1] == pytest.approx(pixel[2], abs=1)
        assert pixel[0] / pixel[1] == pytest.approx(5, rel=0.06)


def test_a_crop_scales_and_shifts() -> None:
    changed = PhotoChange(crop=(0.5, 0.1, 0.0)).apply(a_photo())
    rows, columns = (np.flatnonzero((changed[..., 3] > 127).any(axis)) for axis in (1, 0))
    assert len(rows) == pytest.approx(24, abs=1)
    assert columns.mean() == pytest.approx(31.5 + 6.4, abs=1)


def test_a_background_fills_what_was_transparent_and_leaves_the_product() -> None:
    photo = a_photo()
    changed = PhotoChange(background=((0, 0, 255), (255, 255, 0))).apply(photo)
    assert (changed[..., 3] == 255).all()
    assert (changed[8:56, 8:56, :3] == photo[8:56, 8:56, :3]).all()
    assert changed[0, 0].tolist() == [0, 0, 255, 255]
    assert changed[-1, -1].tolist() == [255, 255, 0, 255]
