"""The primitives have the sizes, normals and texture coordinates that they promise."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.builtin.shop import meshes


def test_a_lathe_turned_wall_faces_outwards_and_reads_left_to_right_from_outside() -> None:
    wall = meshes.lathe(np.array([[1.0, 0.0], [1.0, 2.0]]), segments=36)
    radial = wall.positions * [1.0, 0.0, 1.0]
    assert np.allclose(wall.normals, radial, atol=1e-5)
    # A viewer in front, on +z, has +x at the right: u must grow with x there, and v fall with y.
    front = wall.positions[:, 2] > 0.9
    assert np.corrcoef(wall.positions[front, 0], wall.uvs[front, 0])[0, 1] > 0.99
    assert wall.uvs[wall.positions[:, 1] == 2.0, 1].max() == 0.0


def test_a_sharp_corner_of_a_profile_keeps_an_edge_and_a_blunt_one_is_smooth() -> None:
    can = meshes.lathe(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), segments=12)
    rim = np.isclose(can.positions[:, 1], 0.0) & np.isclose(np.hypot(can.positions[:, 0], can.positions[:, 2]), 1.0)
    assert {round(float(y), 3) for y in can.normals[rim, 1]} == {-1.0, 0.0}
    cone = meshes.lathe(np.array([[1.0, 0.0], [0.9, 1.0], [0.7, 2.0]]), segments=12)
    middle = np.isclose(cone.positions[:, 1], 1.0)
    assert len({round(float(y), 4) for y in cone.normals[middle, 1]}) == 1


def test_a_closed_sweep_meets_itself() -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
    knot = np.stack(
        [np.sin(angles) + 2 * np.sin(2 * angles), np.cos(angles) - 2 * np.cos(2 * angles), -np.sin(3 * angles)], axis=1
    )
    tube = meshes.sweep(knot, meshes.ellipse(0.4, 0.2, 8), closed=True)
    rows = tube.positions.reshape(61, 9, 3)
    assert np.allclose(rows[0], rows[-1], atol=1e-4)


def test_a_rounded_box_has_its_size_and_shows_the_texture_upright_on_every_wall() -> None:
    box = meshes.rounded_box(2.0, 1.0, 0.5, 0.1)
    assert np.allclose(box.positions.max(axis=0), [1.0, 0.5, 0.25], atol=1e-6)
    for axis, sign, right in ((2, 1, [1, 0, 0]), (2, -1, [-1, 0, 0]), (0, 1, [0, 0, -1]), (0, -1, [0, 0, 1])):
        side = box.normals[:, axis] * sign > 0.9
        assert np.corrcoef(box.positions[side] @ right, box.uvs[side, 0])[0, 1] > 0.9
        assert np.corrcoef(box.positions[side, 1], box.uvs[side, 1])[0, 1] < -0.9


def test_transforms_keep_normals_square_to_stretched_surfaces() -> None:
    ball = meshes.sphere(1.0, 48).transformed(meshes.scaling(3.0, 1.0, 1.0))
    expected = ball.positions / np.array([9.0, 1.0, 1.0])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    inside = np.abs(ball.positions[:, 1]) < 0.95  # the poles' facets are flat
    assert np.abs(ball.normals - expected)[inside].max() < 0.01


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_rotations_are_right_handed(axis: str) -> None:
    turned = meshes.rotation(axis, 90.0)[:3, :3]
    assert np.linalg.det(turned) == pytest.approx(1.0)
    index = "xyz".index(axis)
    assert np.allclose(turned @ np.eye(3)[(index + 1) % 3], np.eye(3)[(index + 2) % 3])
