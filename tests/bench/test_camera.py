"""The camera's way: exact from its path, and followed in films."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.bench.camera import camera_error, similarity
from pvtt.bench.sets import BenchSet, Pixels
from pvtt.builtin.bench.camera import moved_points
from pvtt.media.arrays import Video
from pvtt.records.bench import CameraPath
from tests.bench.sets import ONE_SHOT, TWO_SHOTS

SIZE = (240, 160)
GRID = np.stack(np.meshgrid(np.arange(20, 220, 20), np.arange(90, 150, 20)), axis=-1).reshape(-1, 2).astype(float)


def path(*steps: tuple[tuple[float, float, float], tuple[float, float, float]]) -> CameraPath:
    positions, targets = zip(*steps, strict=True)
    return CameraPath(positions=positions, targets=targets, fov_y_deg=30.0)


def test_a_camera_that_stands_still_moves_nothing() -> None:
    still = ((0.0, 1.5, 5.0), (0.0, 0.5, 0.0))
    assert np.abs(moved_points(path(still, still), 0, GRID, SIZE) - GRID).max() < 1e-6


def test_a_floor_from_above_moves_as_geometry_says() -> None:
    # Straight down from 5 (nearly: a camera has no right side there), a floor point is 240 / (2 · 5 · tan 15° · 1.5)
    # pixels a unit, so a step of 0.1 to the right moves it by 5.97 pixels to the left.
    above, right = ((0.0, 5.0, 1e-6), (0.0, 0.0, 0.0)), ((0.1, 5.0, 1e-6), (0.1, 0.0, 0.0))
    middle = np.array([[100.0, 70.0], [140.0, 90.0]])
    moved = moved_points(path(above, right), 0, middle, SIZE) - middle
    assert moved[:, 0] == pytest.approx([-80 * 0.1 / (5 * np.tan(np.radians(15)))] * 2, abs=1e-3)
    assert np.abs(moved[:, 1]).max() < 1e-3
    lower = ((0.0, 4.0, 1e-6), (0.0, 0.0, 0.0))
    turn, zoom, across, down = similarity(middle, moved_points(path(above, lower), 0, middle, SIZE), SIZE)
    assert zoom == pytest.approx(25, abs=1e-2)
    assert abs(turn) < 1e-6
    assert abs(across) < 1e-2
    assert abs(down) < 1e-2


def test_a_similarity_is_found_again() -> None:
    angle, scale, shift = np.radians(3.0), 1.05, np.array([1.5, -2.0])
    middle = (np.array(SIZE) - 1) / 2
    turned = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert similarity(GRID, (GRID - middle) @ turned.T + middle + shift, SIZE) == pytest.approx([3.0, 5.0, 1.5, -2.0])


@pytest.mark.parametrize("name", [ONE_SHOT, TWO_SHOTS])
def test_templates_and_truths_move_as_their_paths_say(bench: BenchSet, name: str) -> None:
    (triplet,) = bench.only([name])
    pixels = Pixels(triplet, bench.place(triplet))
    assert pixels.truth is not None
    assert pixels.region is not None
    measured = 0
    for shot, part in pixels.shots():
        for film in (pixels.template, pixels.truth):
            error = camera_error(film[part], pixels.template[part], pixels.region[part], shot.camera)
            if error is not None:
                assert error.shift < 0.3, shot.move
                assert error.rotation < 0.1
                assert error.zoom < 0.3
                measured += 1
    assert measured >= 2


def drifting(film: Video, pixels_a_frame: int) -> Video:
    """A film whose picture goes to the right, more and more."""
    return np.stack([np.roll(frame, pixels_a_frame * index, axis=1) for index, frame in enumerate(film)])


def test_a_camera_that_goes_another_way_is_told(bench: BenchSet) -> None:
    (triplet,) = bench.only([TWO_SHOTS])
    pixels = Pixels(triplet, bench.place(triplet))
    assert pixels.region is not None
    (shot, part), *_ = pixels.shots()
    own, region = pixels.template[part], pixels.region[part]
    moved = drifting(own, 1)[:4]  # its first frames: later ones have other things in the corners' places
    for camera in (shot.camera, None):
        error = camera_error(moved, own[:4], region[:4], None if camera is None else camera)
        assert error is not None
        assert error.shift == pytest.approx(1.0, abs=0.35)
    same = camera_error(own, own, region, None)
    assert same is not None
    assert (same.shift, same.rotation, same.zoom) == (0, 0, 0)
