"""How the studio moves through the frame, exactly: from the camera's path and the backdrop's form, without any picture.

A pixel's ray meets the backdrop (a flat floor that bends up into a round wall) in one point, since that is seen from
inside; the point is then projected into the next frame.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pvtt.builtin.shop.render import BACKDROP_BEND, BACKDROP_RADIUS
from pvtt.records.bench import CameraPath

STEP = 0.1  # of a ray's first march
REACH = 40.0  # the farthest that is looked
HALVINGS = 30

Floats = npt.NDArray[np.float64]


def moved_points(camera: CameraPath, frame: int, points: Floats, size: tuple[int, int]) -> Floats:
    """Where points of the backdrop are in the next frame.

    Args:
        camera: Of the shot.
        frame: Its number in the shot, from 0; not the last.
        points: (N, 2) x and y in pixels, the middle of the first pixel at 0.
        size: Width and height of the frames.

    Returns:
        (N, 2), likewise; NaN where a ray meets nothing.
    """
    seen = _project(camera, frame + 1, _hit(*_rays(camera, frame, points, size)), size)
    return np.asarray(seen)


def _axes(camera: CameraPath, frame: int) -> tuple[Floats, Floats, Floats, Floats]:
    """The camera's place, and what is ahead, to the right and above of it, (3,) each."""
    position, target = np.array(camera.positions[frame]), np.array(camera.targets[frame])
    ahead = (target - position) / np.linalg.norm(target - position)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return position, ahead, right, np.cross(right, ahead)


def _half(camera: CameraPath, size: tuple[int, int]) -> Floats:
    """Tangents of half the angles of view across and down."""
    half = np.tan(np.radians(camera.fov_y_deg) / 2.0)
    return np.array([half * size[0] / size[1], half])


def _rays(camera: CameraPath, frame: int, points: Floats, size: tuple[int, int]) -> tuple[Floats, Floats]:
    position, ahead, right, up = _axes(camera, frame)
    across, down = (((points + 0.5) / np.array(size) * 2.0 - 1.0) * _half(camera, size)).T
    directions = ahead + across[:, None] * right - down[:, None] * up
    return position, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _project(camera: CameraPath, frame: int, world: Floats, size: tuple[int, int]) -> Floats:
    position, ahead, right, up = _axes(camera, frame)
    seen = world - position
    depth = seen @ ahead
    plane = np.stack([seen @ right, -(seen @ up)], axis=1) / depth[:, None] / _half(camera, size)
    return np.where(depth[:, None] > 0, (plane + 1.0) / 2.0 * np.array(size) - 0.5, np.nan)


def _is_inside(points: Floats) -> npt.NDArray[np.bool_]:
    """Whether points, (…, 3), are above the floor and within the wall."""
    radius = np.hypot(points[..., 0], points[..., 2])
    climbed = np.clip(radius - BACKDROP_RADIUS, 0.0, BACKDROP_BEND)
    height = BACKDROP_BEND - np.sqrt(BACKDROP_BEND**2 - climbed**2)
    return np.asarray((points[..., 1] > height) & (radius < BACKDROP_RADIUS + BACKDROP_BEND))


def _hit(origin: Floats, directions: Floats) -> Floats:
    """Where rays first leave the backdrop's inside, (N, 3); NaN where they do not."""
    way = np.arange(STEP, REACH, STEP)
    inside = _is_inside(origin + way[None, :, None] * directions[:, None])  # (N, S)
    # A camera may stand behind the wall's line: a ray starts to count once it is inside.
    entered = inside.argmax(axis=1)
    left = ~inside & (np.arange(len(way)) > entered[:, None])
    found = inside.any(axis=1) & left.any(axis=1)
    first = left.argmax(axis=1)
    low, high = way[np.maximum(first - 1, 0)], way[first]
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        still = _is_inside(origin + middle[:, None] * directions)
        low, high = np.where(still, middle, low), np.where(still, high, middle)
    return np.where(found[:, None], origin + high[:, None] * directions, np.nan)
