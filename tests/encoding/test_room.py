"""Where another product could stand in a template."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.encoding.crop import bounding_box
from pvtt.encoding.room import room_for
from pvtt.media.arrays import Region, Rgba

HEIGHT, WIDTH = 100, 150


def standing(width: int, height: int, num_frames: int = 3) -> Region:
    """A box that stands on line 80 and moves 4 pixels to the right a frame, beginning with its middle at 60."""
    product = np.zeros((num_frames, HEIGHT, WIDTH), np.bool_)
    for place, frame in enumerate(product):
        left = 60 + 4 * place - width // 2
        frame[80 - height : 80, left : left + width] = True
    return product


def photo(width: int, height: int) -> Rgba:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[32 - height // 2 : 32 + height // 2, 32 - width // 2 : 32 + width // 2] = 255
    return pixels


def test_it_stands_on_the_same_ground_as_large_in_the_photos_shape() -> None:
    room = room_for(standing(40, 30), [photo(20, 48)])
    for place, frame in enumerate(room):
        left, top, right, bottom = bounding_box(frame)
        assert bottom == 80
        assert (left + right) / 2 == pytest.approx(60 + 4 * place, abs=1)
        assert (right - left) / (bottom - top) == pytest.approx(20 / 48, abs=0.06)
        assert np.hypot(right - left, bottom - top) == pytest.approx(50, abs=2.5)


def test_it_is_as_wide_as_the_widest_photo_and_as_high_as_the_highest() -> None:
    left, top, right, bottom = bounding_box(room_for(standing(40, 30), [photo(48, 20), photo(20, 48)])[0])
    assert right - left == bottom - top == pytest.approx(50 * 48 / 52, abs=2)


def test_it_stays_in_the_frame_and_out_of_frames_without_the_product() -> None:
    product = standing(40, 78)
    product[1] = False
    room = room_for(product, [photo(60, 20)])
    assert not room[1].any()
    assert room[0].any()
    assert bounding_box(room[0])[0] >= 0


def test_without_a_photo_that_shows_something_there_is_no_room() -> None:
    assert not room_for(standing(40, 30), []).any()
    assert not room_for(standing(40, 30), [np.zeros((64, 64, 4), np.uint8)]).any()
    assert not room_for(np.zeros((3, HEIGHT, WIDTH), np.bool_), [photo(20, 48)]).any()
