"""Smoothing in time, pinholes and specks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pvtt.media.arrays import FrameRegion
from pvtt.segment.cleaning import clean, temporal_median


def constant(value: bool, size: int = 4) -> FrameRegion:
    return np.full((size, size), value)


def test_a_single_frames_blink_is_smoothed_away() -> None:
    masks = [constant(value) for value in (True, True, False, True, True)]
    assert [mask.all() for mask in temporal_median(masks, 3)] == [True] * 5


def test_a_lasting_change_stays_where_it_is() -> None:
    masks = [constant(value) for value in (False, False, True, True)]
    assert [bool(mask.all()) for mask in temporal_median(masks, 3)] == [False, False, True, True]


@pytest.mark.parametrize(("num_frames", "window"), [(0, 3), (1, 3), (2, 5), (1, 1), (7, 1), (7, 7)])
def test_there_is_one_smoothed_mask_a_frame(num_frames: int, window: int) -> None:
    assert len(list(temporal_median([constant(True)] * num_frames, window))) == num_frames


def test_an_even_window_has_no_middle() -> None:
    with pytest.raises(ValueError, match="odd"):
        list(temporal_median([constant(True)], 2))


def test_the_median_holds_only_its_window() -> None:
    given = 0

    def masks() -> object:
        nonlocal given
        for _ in range(100):
            given += 1
            yield constant(True)

    smoothed = temporal_median(masks(), 5)  # type: ignore[arg-type]
    next(smoothed)
    assert given == 3


def test_pinholes_are_filled_and_specks_dropped_but_a_rings_hole_stays() -> None:
    y, x = np.mgrid[:64, :64]
    radius = np.hypot(y - 32, x - 32)
    ring = (radius < 24) & (radius > 12)
    marred = ring.copy()
    marred[32, 50] = False  # a pinhole in the band
    marred[2:4, 2:4] = True  # a speck in a corner
    np.testing.assert_array_equal(clean(marred, 0.02), ring)


def test_an_empty_and_a_full_mask_stay_as_they_are() -> None:
    assert not clean(constant(False), 0.02).any()
    assert clean(constant(True), 0.02).all()


def cleaned_whole(mask: FrameRegion, min_component: float) -> FrameRegion:
    """`clean` as it is defined: components of the whole frame, by another library."""
    smallest = min_component * mask.sum()

    def large(region: FrameRegion) -> FrameRegion:
        labels, num_labels = ndimage.label(region, np.ones((3, 3)))
        keep = np.bincount(labels.ravel(), minlength=num_labels + 1) >= smallest
        keep[0] = False
        return np.asarray(keep[labels])

    return large(~large(~mask))


@pytest.mark.parametrize("seed", range(8))
def test_looking_inside_the_box_alone_changes_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(60):
        height, width = (int(side) for side in random.integers(1, 40, 2))
        blobs = ndimage.zoom(random.random(random.integers(1, 9, 2)), 8, order=1)[:height, :width]
        mask = np.zeros((height, width), np.bool_)
        top, left = random.integers(0, height), random.integers(0, width)
        part = blobs[: height - top, : width - left] > random.random()
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
        mask ^= random.random(mask.shape) > random.choice([0.9, 0.98, 1.0])
        for min_component in (0.02, 0.1, 0.5, 1.2):
            np.testing.assert_array_equal(clean(mask, min_component), cleaned_whole(mask, min_component))
