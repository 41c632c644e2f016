"""Cameras move as their shots say and keep the product in the frame."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pvtt.builtin.shop.catalog import good_entries
from pvtt.builtin.shop.products import product_spec
from pvtt.builtin.shop.render import Placed, outline
from pvtt.builtin.shop.scenes import MOVE_KINDS, CameraMove, MoveKind, camera_path, framed, random_move, random_scene


def _azimuths(positions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    back = positions - targets
    return np.asarray(np.degrees(np.arctan2(back[:, 0], back[:, 2])))


def test_an_orbit_turns_by_its_amount_at_one_distance() -> None:
    positions, targets = camera_path(CameraMove("orbit", azimuth=10.0, distance=5.0, amount=40.0), 37, 0.8)
    azimuths = _azimuths(positions, targets)
    assert azimuths[-1] - azimuths[0] == pytest.approx(40.0)
    assert np.allclose(np.linalg.norm(positions - targets, axis=1), 5.0)


def test_a_dolly_comes_nearer_and_a_pan_moves_the_target_sideways() -> None:
    positions, targets = camera_path(CameraMove("dolly", distance=6.0, amount=2.0), 20, 0.8)
    distances = np.linalg.norm(positions - targets, axis=1)
    assert distances[0] == pytest.approx(7.0)
    assert distances[-1] == pytest.approx(5.0)
    _, targets = camera_path(CameraMove("pan", amount=1.0), 20, 0.8)
    assert targets[-1, 0] - targets[0, 0] == pytest.approx(1.0)


def test_a_handheld_camera_wobbles_the_same_way_each_time() -> None:
    move = CameraMove("handheld", amount=1.0, seed=3)
    positions, _ = camera_path(move, 30, 0.8)
    assert np.array_equal(positions, camera_path(move, 30, 0.8)[0])
    assert 0.01 < np.abs(np.diff(positions, axis=0)).max() < 0.5


@pytest.mark.parametrize("kind", MOVE_KINDS)
def test_a_framed_shot_reaches_its_fill_and_not_beyond(kind: MoveKind) -> None:
    points = outline([Placed(product_spec("tests", 4))])
    rng = np.random.default_rng(1)
    move = framed(random_move(rng, kind), points, 30, 1.5, 0.8)
    positions, targets = camera_path(move, 30, points[:, 1].max() / 2)
    reach = 0.0
    for position, target in zip(positions, targets, strict=True):
        forward = (target - position) / np.linalg.norm(target - position)
        right = np.cross(forward, [0, 1, 0]) / np.linalg.norm(np.cross(forward, [0, 1, 0]))
        seen = points - position
        depth = seen @ forward * np.tan(np.radians(15))
        reach = max(
            reach, np.abs(seen @ right / depth / 1.5).max(), np.abs(seen @ np.cross(right, forward) / depth).max()
        )
    assert reach == pytest.approx(0.8, abs=0.01)


def test_the_studio_changes_visibly_at_every_cut() -> None:
    for entry in good_entries():
        for film in entry.films:
            scenes = [part.scene for part in film.shots]
            for before, after in itertools.pairwise(scenes):
                assert np.linalg.norm(np.array(before.ground) - np.array(after.ground)) > 0.2, entry.product_id


def test_every_shot_of_a_good_film_is_long_enough_for_a_clip() -> None:
    frames = [part.num_frames for entry in good_entries() for film in entry.films for part in film.shots]
    assert min(frames) >= 38
    assert max(frames) <= 42
    kinds = {part.move.kind for entry in good_entries() for film in entry.films for part in film.shots}
    assert kinds == set(MOVE_KINDS)


def test_a_studio_keeps_its_distance_from_colours_to_avoid() -> None:
    rng = np.random.default_rng(0)
    first = random_scene(rng)
    for _ in range(20):
        other = random_scene(rng, avoid=(first,))
        assert np.linalg.norm(np.array(other.ground) - np.array(first.ground)) > 0.2
