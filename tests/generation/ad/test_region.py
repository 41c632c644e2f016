"""Where the new product comes, and the way back from there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.errors import PvttError
from pvtt.generation.ad.region import ShotPlan, plan_shot, windows_of
from pvtt.generation.ad.settings import ModelFormat
from pvtt.generation.ad.stitch import changed_region, match_colours
from pvtt.media.arrays import Region, Rgba
from pvtt.models.contracts import Contracts
from tests.generation.ad.films import PARAMS, disc_shot, noise, swinging

MODEL = ModelFormat(
    Path(), Contracts.from_params(PARAMS), num_frames=5, steps=2, product_guidance=1, text_guidance=1, strength=1
)


def photo(width: int, height: int) -> Rgba:
    """A cut-out box of this size."""
    picture = np.zeros((64, 64, 4), np.uint8)
    cv2.rectangle(picture, (32 - width // 2, 32 - height // 2), (32 + width // 2, 32 + height // 2), (9, 9, 9, 255), -1)
    return picture


def plan(product: Region, frame: tuple[int, int], aspect: Fraction = Fraction(1)) -> ShotPlan:
    return plan_shot(product, [photo(20, 40)], MODEL, frame, aspect, Fraction(20))


def test_windows_overlap_by_a_frame_and_cover_the_shot() -> None:
    for length in (1, 4, 5, 6, 9, 14):
        windows = windows_of(length, 5)
        assert [window[0] for window in windows[1:]] == [window[-1] for window in windows[:-1]]
        assert windows[0][0] == 0
        assert windows[-1][-1] == length - 1
        assert all(len(window) <= 5 for window in windows)


def test_the_region_covers_the_old_product_and_keeps_to_it_in_the_frame() -> None:
    frames, masks = disc_shot(200, num_frames=13)
    product = masks > 127
    planned = plan(product, (192, 128))
    for window in planned.windows:
        stretch = planned.stretch_of(window)
        assert stretch.view is not None
        for index in window:
            place = index - stretch.first
            made = np.full((*stretch.holes.shape[1:], 3), 255, np.uint8)
            result, region = stretch.view.put_back(frames[index], place, made, stretch.hole(index))
            assert (region | ~product[index]).all()
            assert (result[~region] == frames[index][~region]).all()
            assert region.mean() < 0.7
            assert (result[cv2.erode(region.astype(np.uint8), np.ones((9, 9))) > 0] == 255).all()


def test_of_a_hole_what_is_around_both_products_comes_back() -> None:
    hole, old, new = np.zeros((3, 1, 32, 48), np.bool_)
    hole[0, 4:28, 4:44] = True
    old[0, 10:20, 10:20] = True
    new[0, 6:20, 24:28] = True
    changed = changed_region(hole, old, new)
    assert (changed | ~old).all()
    assert (changed | ~new).all()
    assert not (changed & ~hole).any()
    assert 1.2 < changed.sum() / (old | new).sum() < 2
    assert not changed[0, 22:].any()  # where a shadow lies
    assert not changed_region(np.zeros_like(hole), old, new).any()


def test_a_shadow_that_ends_at_the_hole_goes_on_to_the_product_and_the_product_stays() -> None:
    pixels = np.full((1, 64, 96, 3), 200, np.uint8)
    pixels[0, 40:] = 90  # a floor in shadow
    hole, product = np.zeros((2, 1, 64, 96), np.bool_)
    hole[0, 16:60, 20:76] = product[0, 20:56, 40:56] = True
    made = np.full_like(pixels, 200)  # of a model that draws no shadow
    made[product] = (30, 60, 200)
    plain, matched = (match_colours(made, pixels, hole, one) for one in (None, product))
    floor = np.s_[0, 48:56, 28:34]
    assert plain[floor].mean() > 120
    assert matched[floor].mean() == pytest.approx(90, abs=6)
    assert np.abs(matched[0, 24:52, 46:50].astype(int) - (30, 60, 200)).max() < 12
    assert (matched[~hole] == pixels[~hole]).all()
    assert np.abs(matched[0, 18:24, 22:26].astype(int) - 200).max() < 12  # the wall in the light


def test_a_stretch_knows_where_the_old_product_is_in_its_crop() -> None:
    _, masks = disc_shot(200, num_frames=13)
    (stretch,) = plan(masks > 127, (192, 128)).stretches
    assert stretch.view is not None
    assert (stretch.holes | ~stretch.old).all()
    for place, old in enumerate(stretch.old):
        region = stretch.view.region((192, 128), place, old)
        shown = masks[place] > 127
        assert (region & shown).sum() / (region | shown).sum() > 0.85  # at a quarter of the pixels


def test_a_crop_put_back_lies_where_it_was_cut() -> None:
    y, x = np.mgrid[:128, :192]
    frame = np.stack([x, y, (x + y) // 2], axis=-1).astype(np.uint8)
    _, masks = disc_shot(200, num_frames=9)
    planned = plan(masks > 127, (192, 128))
    (stretch,) = planned.stretches
    assert stretch.view is not None
    for place in range(9):
        window = stretch.view.cut(frame, place)
        result, region = stretch.view.put_back(frame, place, window, stretch.holes[place])
        assert abs(result.astype(int) - frame)[region].max() <= 2


def test_a_window_wider_than_a_tall_frame_holds_the_product_all_the_same() -> None:
    frames, _ = disc_shot(200, num_frames=5, size=(90, 160))
    product = np.zeros((5, 160, 90), np.bool_)
    product[:, 40:130, 22:68] = True
    planned = plan(product, (180, 320))
    (stretch,) = planned.stretches
    assert stretch.view is not None
    assert stretch.view.pad[0] > 0
    big = cv2.resize(frames[0], (180, 320))
    assert stretch.view.cut(big, 0).shape == (32, 48, 3)
    made = np.full((32, 48, 3), 255, np.uint8)
    result, region = stretch.view.put_back(big, 0, made, stretch.holes[0])
    assert (region | ~(cv2.resize(product[0].astype(np.uint8), (180, 320)) > 0)).mean() > 0.99
    assert (result[~region] == big[~region]).all()


def test_where_the_product_turns_back_a_shot_is_planned_in_stretches() -> None:
    planned = plan(swinging(), (200, 60))
    assert len(planned.stretches) > 1
    assert planned.stretches[0].first == 0
    assert planned.stretches[-1].last == 80
    assert [one.last for one in planned.stretches[:-1]] == [one.first for one in planned.stretches[1:]]
    assert planned.num_generated == len(planned.windows)


def test_pixels_that_are_not_square_are_seen_square_in_the_window() -> None:
    product = np.zeros((5, 120, 160), np.bool_)
    product[:, 40:80, 70:90] = True  # 20 stored pixels wide, of double width: a square of 40
    (stretch,) = plan(product, (160, 120), Fraction(2)).stretches
    assert stretch.view is not None
    width, height = stretch.view.path.crop_size
    assert width * 2 / height == pytest.approx(1.5, rel=0.01)


def test_windows_without_the_product_are_not_generated() -> None:
    product = np.zeros((13, 120, 160), np.bool_)
    product[:3, 40:80, 60:100] = True
    planned = plan(product, (160, 120))
    assert [planned.has_hole(window) for window in planned.windows] == [True, False, False]


def test_a_region_of_nearly_the_whole_frame_is_refused() -> None:
    product = np.ones((5, 120, 180), np.bool_)
    with pytest.raises(PvttError, match="covers"):
        plan(product, (180, 120))


def test_outside_is_untouched_whatever_the_frame_and_the_crop_are() -> None:
    for size in ((181, 123), (640, 360), (97, 201)):
        product = np.zeros((5, 100, 150), np.bool_)
        product[:, 30:70, 40:77] = True
        (stretch,) = plan(product, size).stretches
        assert stretch.view is not None
        frame = noise((size[1], size[0], 3))
        result, region = stretch.view.put_back(frame, 2, noise((32, 48, 3)), stretch.holes[2])
        assert region.any()
        assert (result[~region] == frame[~region]).all()
        assert (result[region] != frame[region]).any()
