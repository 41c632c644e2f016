"""The camera's axes, on backgrounds that move by a known similarity."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pvtt.evaluation.metrics.camera import fit_camera, pan_error, turn_error, zoom_error
from pvtt.evaluation.metrics.motion import optical_flow


def filmed(zoom: float, turn: float, shift: tuple[float, float], num_frames: int = 4) -> np.ndarray:
    """A smooth random picture that grows, turns (degrees, clockwise) and moves by so much a frame."""
    picture = np.random.default_rng(0).uniform(0, 255, (96, 144, 3)).astype(np.float32)
    picture = cv2.normalize(cv2.GaussianBlur(picture, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    frames = []
    for index in range(num_frames):
        matrix = cv2.getRotationMatrix2D((71.5, 47.5), -turn * index, (1 + zoom) ** index)
        matrix[:, 2] += np.array(shift) * index
        frames.append(cv2.warpAffine(picture, matrix, (144, 96), borderMode=cv2.BORDER_REFLECT))
    return np.stack(frames)


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ((0.0, 0.0, (3.0, 0.0)), (3.0, 0.0, 0.0)),
        ((0.02, 0.0, (0.0, 0.0)), (0.0, 2.0, 0.0)),
        ((0.0, 1.0, (0.0, 0.0)), (0.0, 0.0, 1.0)),
    ],
)
def test_each_axis_is_told_from_the_others(
    camera: tuple[float, float, tuple[float, float]], expected: tuple[float, float, float]
) -> None:
    videos = filmed(0.0, 0.0, (0.0, 0.0)), filmed(*camera)
    where = np.zeros((3, 96, 144), np.bool_)
    where[:, 12:-12, 12:-12] = True
    where[:, 30:60, 50:90] = False  # the product
    still, moving = (fit_camera(optical_flow(video), where) for video in videos)
    assert still is not None
    assert moving is not None
    found = pan_error(moving, still), zoom_error(moving, still), turn_error(moving, still)
    assert found == pytest.approx(expected, abs=0.25)


def test_too_few_pixels_are_no_camera() -> None:
    assert fit_camera(np.zeros((1, 20, 20, 2), np.float32), np.zeros((1, 20, 20), np.bool_)) is None
