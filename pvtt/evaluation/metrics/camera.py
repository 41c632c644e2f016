"""The camera, axis by axis: how far pan, zoom and turn outside the mask are off the template's.

Between two frames a camera that pans, tilts, zooms and rolls moves the background by a similarity, which is fitted to
the optical flow there (least squares, where the true flow is valid). Judged before compositing, as `camera error` is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pvtt.evaluation.metrics.metric import Metric, Scene
from pvtt.evaluation.metrics.motion import optical_flow, true_motion
from pvtt.media.arrays import Region
from pvtt.media.flow import FlowFields

MIN_PIXELS = 64  # of a frame; on fewer no zoom can be seen


@dataclass(frozen=True)
class Camera:
    """How the background moves from each frame to the next, about the frame's middle; F - 1 steps.

    Args:
        shift: Right and down in pixels, (F-1, 2).
        zoom: By which share it grows, (F-1,).
        turn: Clockwise, in radians, (F-1,).
    """

    shift: npt.NDArray[np.float64]
    zoom: npt.NDArray[np.float64]
    turn: npt.NDArray[np.float64]


def fit_camera(flow: FlowFields, where: Region) -> Camera | None:
    """The similarities that fit a flow best, (F-1, H, W, 2), on these pixels, (F-1, H, W).

    Returns:
        None where a frame has too few of them.
    """
    steps = []
    for field, inside in zip(flow, where, strict=True):
        if inside.sum() < MIN_PIXELS:
            return None
        height, width = inside.shape
        rows, columns = np.nonzero(inside)
        x, y = columns - (width - 1) / 2, rows - (height - 1) / 2
        ones, none = np.ones_like(x), np.zeros_like(x)
        # u = zoom·x - turn·y + right, v = zoom·y + turn·x + down
        system = np.concatenate([np.stack([x, -y, ones, none], -1), np.stack([y, x, none, ones], -1)])
        moved = field[inside].astype(np.float64)
        steps.append(np.linalg.solve(system.T @ system, system.T @ np.concatenate([moved[:, 0], moved[:, 1]])))
    if not steps:
        return None
    zoom, turn, right, down = np.transpose(steps)
    return Camera(np.stack([right, down], axis=-1), zoom, turn)


def _where(scene: Scene) -> Region:
    outside = ~scene.hole
    return np.asarray(outside[:-1] & outside[1:] & scene.once(true_motion).valid)


def _true_camera(scene: Scene) -> Camera | None:
    return fit_camera(scene.once(true_motion).forward, _where(scene))


def _raw_camera(scene: Scene) -> Camera | None:
    return fit_camera(optical_flow(scene.raw), _where(scene))


def pan_error(given: Camera, expected: Camera) -> float:
    """Pixels a frame."""
    return float(np.linalg.norm(given.shift - expected.shift, axis=-1).mean())


def zoom_error(given: Camera, expected: Camera) -> float:
    """Percent a frame."""
    return float(100 * np.abs(given.zoom - expected.zoom).mean())


def turn_error(given: Camera, expected: Camera) -> float:
    """Degrees a frame."""
    return float(np.degrees(np.abs(given.turn - expected.turn)).mean())


def _cameras(scene: Scene) -> tuple[Camera, Camera] | None:
    given, expected = scene.once(_raw_camera), scene.once(_true_camera)
    return None if given is None or expected is None else (given, expected)


def _pan(scene: Scene) -> float | None:
    return None if (found := _cameras(scene)) is None else pan_error(*found)


def _zoom(scene: Scene) -> float | None:
    return None if (found := _cameras(scene)) is None else zoom_error(*found)


def _turn(scene: Scene) -> float | None:
    return None if (found := _cameras(scene)) is None else turn_error(*found)


METRICS = (
    Metric(
        name="camera_pan_error",
        label="camera error, pan",
        says="of the similarity that the background moves by, before compositing",
        group="Motion",
        unit="px/frame",
        better="↓",
        measure=lambda scene, _: _pan(scene),
    ),
    Metric(
        name="camera_zoom_error",
        label="camera error, zoom",
        says="of the same similarity",
        group="Motion",
        unit="%/frame",
        better="↓",
        measure=lambda scene, _: _zoom(scene),
    ),
    Metric(
        name="camera_turn_error",
        label="camera error, turn",
        says="of the same similarity",
        group="Motion",
        unit="°/frame",
        better="↓",
        measure=lambda scene, _: _turn(scene),
    ),
)
