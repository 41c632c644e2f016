from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.encoding.crop import CropDraw
from pvtt.encoding.windows import (
    UnusableClipError,
    WindowPlace,
    load_window,
    middle,
    read_coverage,
    read_windows,
    span,
    window_starts,
)
from pvtt.errors import PvttError
from pvtt.params.encode import CropParams
from tests.encoding.samples import tiny_encode_params, write_sample, write_transfer


def test_a_window_holds_the_strided_frames_at_the_encode_size(tmp_path: Path) -> None:
    entry = write_sample(tmp_path, num_frames=24)
    params = tiny_encode_params(crop=CropParams(follow=False))
    coverage = read_coverage(entry, tmp_path, params)
    assert coverage.shape == (24, 64, 96)
    starts = window_starts(coverage, params)
    assert span(params) == 17
    assert starts == list(range(8))
    places = [WindowPlace(start, CropDraw.evaluation(params.crop)) for start in (0, 7)]
    first, last = read_windows(tmp_path / entry.clip_path, params, coverage, places)
    assert first.pixels.shape == (9, 32, 48, 3)
    assert (first.coverage[8] == cv2.resize(coverage[16], (48, 32), interpolation=cv2.INTER_AREA)).all()
    # The red disc is where the coverage is, in frame 7 + 16 too.
    red = last.pixels[8].astype(int)[..., 0] - last.pixels[8].astype(int)[..., 1]
    assert red[last.coverage[8] == 255].min() > 60 > 20 > np.abs(red[last.coverage[8] == 0]).mean()


def test_the_evaluation_window_is_the_middle_one_with_the_fixed_mask(tmp_path: Path) -> None:
    entry = write_sample(tmp_path)
    params = tiny_encode_params()
    coverage = read_coverage(entry, tmp_path, params)
    place = WindowPlace(middle(window_starts(coverage, params)), CropDraw.evaluation(params.crop))
    (expected,) = read_windows(tmp_path / entry.clip_path, params, coverage, [place])
    window = load_window(entry, tmp_path, params)
    assert (window.pixels == expected.pixels).all()
    assert (window.mask | ~window.product).all()
    assert not window.mask.all()


def test_a_short_clip_and_one_without_product_are_unusable() -> None:
    params = tiny_encode_params()
    with pytest.raises(UnusableClipError, match="16 frames, but a window spans 17"):
        window_starts(np.full((16, 4, 4), 255, np.uint8), params)
    with pytest.raises(UnusableClipError, match="no window shows the product"):
        window_starts(np.zeros((20, 4, 4), np.uint8), params)


def test_another_aspect_ratio_is_refused(tmp_path: Path) -> None:
    entry = write_sample(tmp_path)
    with pytest.raises(PvttError, match="would distort"):
        load_window(entry, tmp_path, tiny_encode_params(width=64, height=32))


def test_a_transfers_window_knows_where_the_old_product_is_apart_from_the_room_for_the_new(tmp_path: Path) -> None:
    template = write_sample(tmp_path, "DISC001", colour=(200, 40, 40))
    product = write_sample(tmp_path, "DISC002", colour=(40, 160, 60))
    for path in product.photo_paths:  # a bar, wider than the disc is high
        bar = np.zeros((64, 64, 4), np.uint8)
        bar[28:36, 4:60] = [60, 160, 40, 255]
        cv2.imwrite(str(tmp_path / path), bar)
    params = tiny_encode_params(crop=CropParams(follow=False))
    window = load_window(write_transfer(tmp_path, product, template, (40, 160, 60)), tmp_path, params)
    own = load_window(template, tmp_path, params)
    assert (window.replaced == own.product).all()
    assert (own.replaced == own.product).all()
    assert (window.template == own.pixels).all()
    assert (window.mask & ~own.mask).any()  # the room for a bar
    assert (window.mask | ~window.replaced).all()
