"""Carrying a mask by optical flow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from pvtt.media.arrays import Frame
from pvtt.segment.optical_flow import OpticalFlowTracker
from pvtt.segment.protocols import Detection
from tests.scenes import draw_shot


def exact_detection(mask: npt.NDArray[np.uint8]) -> Detection:
    return Detection(np.zeros((1, 4), np.float32), np.ones(1, np.float32), (mask / 255).astype(np.float32))


def track(frames: npt.NDArray[np.uint8], masks: npt.NDArray[np.uint8], keys: set[int]) -> list[npt.NDArray[np.float32]]:
    stream = [(frame, exact_detection(masks[i]) if i in keys else None) for i, frame in enumerate(frames)]
    return list(OpticalFlowTracker().track(stream))


def iou(soft: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]) -> float:
    found, true = soft >= 0.5, mask > 0
    return float((found & true).sum() / (found | true).sum())


@pytest.mark.parametrize("keys", [{8}, {0, 16}, {4, 12}, {16}, {0}], ids=str)
def test_a_mask_follows_its_product_before_between_and_after_key_frames(keys: set[int]) -> None:
    frames, masks = draw_shot(0, 17)
    tracked = track(frames, masks, keys)
    assert len(tracked) == 17
    assert min(iou(soft, mask) for soft, mask in zip(tracked, masks, strict=True)) > 0.92


def test_a_key_frames_own_mask_is_kept() -> None:
    frames, masks = draw_shot(1, 5)
    np.testing.assert_array_equal(track(frames, masks, {2})[2], masks[2] / np.float32(255))


def test_tracking_is_deterministic() -> None:
    frames, masks = draw_shot(2, 9)
    np.testing.assert_array_equal(track(frames, masks, {4}), track(frames, masks, {4}))


def test_masks_come_out_before_the_clip_is_read_to_its_end() -> None:
    frames, masks = draw_shot(0, 3)
    given = 0

    def stream() -> Iterator[tuple[Frame, Detection | None]]:
        nonlocal given
        for index in range(30):
            given += 1
            yield frames[index % 3], exact_detection(masks[0]) if index % 3 == 1 else None

    tracked = OpticalFlowTracker().track(stream())
    for _ in range(4):
        next(tracked)
    assert given <= 7


def test_detections_without_masks_are_refused() -> None:
    frames, _ = draw_shot(0, 1)
    box = Detection(np.zeros((1, 4), np.float32), np.ones(1, np.float32))
    with pytest.raises(ValueError, match="gives boxes"):
        list(OpticalFlowTracker().track([(frames[0], box)]))
    with pytest.raises(ValueError, match="no frame came with a detection"):
        list(OpticalFlowTracker().track([(frames[0], None)]))
