"""The window that follows the product."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pvtt.encoding.crop import CropDraw, CropPath
from pvtt.params.encode import CropParams

SIZE = (48, 32)
FRAME = (180, 120)  # width, height


def moving_box(
    num_frames: int = 9, step: tuple[float, float] = (5.0, 0.0), width: int = 30, height: int = 24
) -> npt.NDArray[np.bool_]:
    product = np.zeros((num_frames, FRAME[1], FRAME[0]), dtype=bool)
    for place in range(num_frames):
        left, top = round(40 + step[0] * place), round(50 + step[1] * place)
        product[place, top : top + height, left : left + width] = True
    return product


def cut_all(path: CropPath, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.stack([path.cut(frame, place) for place, frame in enumerate(frames)])


@pytest.mark.parametrize("fill", [0.35, 0.45, 0.6])
def test_the_products_box_covers_its_share_of_the_window(fill: float) -> None:
    product = moving_box()
    path = CropPath.follow(product, CropDraw(fill), SIZE)
    seen = cut_all(path, product.astype(np.uint8) * 255) > 127
    assert seen.shape == (9, SIZE[1], SIZE[0])
    for frame in seen:
        rows, columns = np.flatnonzero(frame.any(1)), np.flatnonzero(frame.any(0))
        share = len(rows) * len(columns) / frame.size
        assert share == pytest.approx(fill, rel=0.12)  # a pixel more or less on each side
        assert abs(columns.mean() - (SIZE[0] - 1) / 2) < 1.5
        assert abs(rows.mean() - (SIZE[1] - 1) / 2) < 1.5


def test_a_thin_product_stays_inside_with_room_around_it() -> None:
    product = moving_box(width=100, height=6, step=(0.0, 1.0))
    path = CropPath.follow(product, CropDraw(0.6), SIZE)
    seen = cut_all(path, product.astype(np.uint8) * 255) > 127
    assert not seen[:, :, [0, -1]].any()
    assert seen.any(axis=(1, 2)).all()


def test_the_middle_moves_smoothly_where_the_outline_shakes() -> None:
    product = moving_box(step=(4.0, 0.0))
    shaken = product.copy()
    for place in range(1, 9, 2):
        shaken[place] = np.roll(product[place], 3, axis=0)  # the box jumps up and down
    path = CropPath.follow(shaken, CropDraw(0.45), SIZE)
    steps = np.diff(path.corners, n=2, axis=0)
    assert np.abs(steps[:, 1]).max() < 0.5 < np.abs(np.diff([50, 53, 50], n=2)).max()


def test_a_window_never_leaves_the_frame_and_never_exceeds_it() -> None:
    product = np.zeros((5, FRAME[1], FRAME[0]), dtype=bool)
    product[:, :20, :30] = True  # in the corner
    path = CropPath.follow(product, CropDraw(0.35, (1.0, -1.0)), SIZE)
    assert (path.corners >= 0).all()
    assert (path.corners + path.crop_size <= np.array(FRAME) + 1e-9).all()
    product[:] = True
    assert CropPath.follow(product, CropDraw(0.35), SIZE).crop_size == pytest.approx(FRAME)


def test_shifted_the_product_stands_aside_and_whole() -> None:
    product = moving_box(step=(0.0, 0.0))
    for shift in ((1.0, 0.0), (-1.0, 1.0)):
        path = CropPath.follow(product, CropDraw(0.4, shift), SIZE)
        seen = cut_all(path, product.astype(np.uint8) * 255) > 127
        columns = np.flatnonzero(seen[0].any(0))
        assert (columns.mean() > (SIZE[0] - 1) / 2 + 3) == (shift[0] > 0)
        in_the_middle = cut_all(CropPath.follow(product, CropDraw(0.4), SIZE), product.astype(np.uint8) * 255) > 127
        assert seen.sum() == pytest.approx(in_the_middle.sum(), rel=0.05)


def test_frames_without_the_product_are_bridged() -> None:
    product = moving_box(step=(4.0, 2.0))
    whole = CropPath.follow(product, CropDraw(0.45), SIZE)
    product[3:6] = False
    assert np.allclose(CropPath.follow(product, CropDraw(0.45), SIZE).corners, whole.corners, atol=0.6)


def test_what_stands_still_in_the_world_moves_as_the_window_says() -> None:
    """A pattern on the frame, cut by a path of whole and of broken pixels, is where the path puts it."""
    ramp = np.tile(np.linspace(0, 255, FRAME[0])[None, :, None], (FRAME[1], 1, 3)).astype(np.uint8)
    path = CropPath(np.array([[10.0, 5.0], [10.5, 5.0], [12.25, 5.0]]), (48.0, 32.0), SIZE)
    first, half, more = (path.cut(ramp, place).astype(float)[16, 8:40, 0] for place in range(3))
    slope = 255 / (FRAME[0] - 1)
    assert (half - first).mean() == pytest.approx(0.5 * slope, abs=0.15)
    assert (more - first).mean() == pytest.approx(2.25 * slope, abs=0.15)


def test_the_whole_frame_is_the_plain_resize() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*FRAME[::-1], 3), dtype=np.uint8)
    path = CropPath.whole(1, FRAME, SIZE)
    assert (path.cut(frame, 0) == cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA)).all()


def test_draws_stay_in_their_ranges_and_follow_their_seed() -> None:
    params = CropParams(min_fill=0.4, max_fill=0.5, shift=0.3)
    draws = [CropDraw.draw(params, np.random.default_rng(seed)) for seed in range(50)]
    assert all(0.4 <= draw.fill <= 0.5 and max(map(abs, draw.shift)) <= 0.3 for draw in draws)
    assert draws[3] == CropDraw.draw(params, np.random.default_rng(3))
    assert CropDraw.evaluation(params) == CropDraw(params.fill, (0.0, 0.0))
    with pytest.raises(ValueError, match="is above max_fill"):
        CropParams(min_fill=0.7)
