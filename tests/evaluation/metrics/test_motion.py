"""Flicker, flow-warp error and camera error on motions with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.evaluation.metrics.motion import estimate_motion, flicker, flow_warp_error, optical_flow, outside_motion_error
from tests.evaluation.clips import moving_box, noisy


def panning(speed: int, num_frames: int = 4) -> np.ndarray:
    """A smooth random picture that moves left by `speed` pixels a frame."""
    import cv2

    picture = np.random.default_rng(0).uniform(0, 255, (64, 200, 3)).astype(np.float32)
    picture = cv2.normalize(cv2.GaussianBlur(picture, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.stack([picture[:, 20 + speed * i : 116 + speed * i] for i in range(num_frames)])


def everywhere(video: np.ndarray) -> np.ndarray:
    return np.ones(video.shape[:3], np.bool_)


def test_flow_of_a_pan() -> None:
    flow = optical_flow(panning(3))
    assert np.median(flow[..., 0]) == pytest.approx(-3, abs=0.1)
    assert np.median(flow[..., 1]) == pytest.approx(0, abs=0.1)


def test_a_steady_video_hardly_warps_wrongly_and_a_flickering_one_does() -> None:
    truth = panning(3)
    motion = estimate_motion(truth)
    own = flow_warp_error(truth, motion, everywhere(truth))
    bright = truth.copy()
    bright[1::2] = np.clip(bright[1::2].astype(int) + 30, 0, 255)
    flickering = flow_warp_error(bright, motion, everywhere(truth))
    assert own is not None
    assert flickering is not None
    assert own < 0.01
    assert flickering > 8 * own


def test_flicker_is_the_difference_of_changes() -> None:
    truth, region = moving_box()
    assert flicker(truth, truth, region) == 0
    brighter = np.clip(truth.astype(int) + 7, 0, 255).astype(np.uint8)
    assert flicker(brighter, truth, region) == 0  # a constant offset does not flicker
    blinking = truth.copy()
    blinking[1::2][region[1::2]] = np.clip(truth[1::2][region[1::2]].astype(int) - 20, 0, 255)
    value = flicker(blinking, truth, region)
    assert value is not None
    assert value == pytest.approx(20, abs=1)


def test_camera_error_is_the_difference_in_speed() -> None:
    truth, faster = panning(2), panning(4)
    motion = estimate_motion(truth)
    same = outside_motion_error(truth, motion, everywhere(truth))
    wrong = outside_motion_error(faster, motion, everywhere(truth))
    assert same == 0
    assert wrong == pytest.approx(2, abs=0.3)


def test_empty_regions_are_not_measured() -> None:
    truth, region = moving_box()
    motion, nowhere = estimate_motion(truth), np.zeros_like(region)
    assert flow_warp_error(truth, motion, nowhere) is None
    assert flicker(truth, truth, nowhere) is None
    assert outside_motion_error(truth, motion, nowhere) is None


def test_noise_raises_the_warp_error() -> None:
    truth, region = moving_box()
    motion = estimate_motion(truth)
    errors = [flow_warp_error(noisy(truth, level), motion, region) for level in (0, 10, 40)]
    assert errors == sorted(errors)
