"""A clip to its mask: quality on real renders, key frames, and what is turned away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.files.hashing import sha256_file
from pvtt.items.runner import ItemRejectedError
from pvtt.media.masks import read_masks
from pvtt.media.video import write_video
from pvtt.params.segment import SegmentParams
from pvtt.segment.segmenter import ClipSource, Judge, key_frames, segment_clip


@pytest.mark.parametrize(("num_frames", "every"), [(1, 12), (12, 12), (13, 12), (40, 12), (240, 12), (5, 1), (7, 100)])
def test_no_frame_is_far_from_a_key_frame(num_frames: int, every: int) -> None:
    keys = key_frames(num_frames, every)
    assert len(keys) == -(-num_frames // every)
    assert all(0 <= key < num_frames for key in keys)
    assert max(min(abs(frame - key) for key in keys) for frame in range(num_frames)) <= every / 2


def rectangle(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((100, 150), bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize(
    ("counts", "mask", "reason"),
    [
        ([1, 1, 1], rectangle(30, 70, 40, 90), None),
        ([1, 1, 1], rectangle(60, 100, 40, 90), None),  # stands on the frame's lower edge
        ([0, 0, 1], rectangle(30, 70, 40, 90), "no_product"),
        ([1, 1, 1], rectangle(45, 55, 40, 60), "no_product"),
        ([2, 2, 1], rectangle(30, 70, 40, 90), "two_products"),
        ([1, 2, 1], rectangle(30, 70, 40, 90), None),  # one key frame may err
        ([1, 1, 1], rectangle(2, 98, 3, 147), "mask_too_large"),
        ([1, 1, 1], rectangle(0, 100, 0, 60), "product_cut_off"),
    ],
)
def test_a_clip_is_judged_by_its_detections_and_its_mask(
    counts: list[int], mask: np.ndarray, reason: str | None
) -> None:
    judge = Judge(SegmentParams(), counts=counts)
    for _ in range(3):
        judge.measure(mask)
    if reason is None:
        judge.decide()
        return
    with pytest.raises(ItemRejectedError) as caught:
        judge.decide()
    assert caught.value.reason == reason


def source_of(path: Path, num_frames: int, fps: float) -> ClipSource:
    return ClipSource(
        product_id="P", clip_id="001", sha256=sha256_file(path), num_frames=num_frames, fps=fps, path=path
    )


@pytest.mark.parametrize("name", ["coffee_bag", "vitamin_bottle"])
def test_masks_of_real_renders_are_close_to_the_exact_ones(shared_data: Path, tmp_path: Path, name: str) -> None:
    path = shared_data / "turntable" / f"{name}.mp4"
    true = read_masks(path.with_name(f"{name}_mask.mkv")) >= 128
    mask = segment_clip(source_of(path, len(true), 16.0), tmp_path, SegmentParams(key_frame_every=25))
    found = read_masks(tmp_path / "mask.mkv") > 0
    overlap = (found & true).sum(axis=(1, 2)) / (found | true).sum(axis=(1, 2))
    assert overlap.mean() > 0.94
    assert overlap.min() > 0.85
    assert mask.area_mean == pytest.approx(true.mean(), rel=0.06)


def test_three_bottles_on_a_table_are_no_single_product(shared_data: Path, tmp_path: Path) -> None:
    from pvtt.media.video import read_frames

    path = shared_data / "video" / "intel_bottle-detection.mp4"
    write_video(tmp_path / "bottles.mp4", read_frames(path, range(300, 324)), fps=30)
    with pytest.raises(ItemRejectedError) as caught:
        segment_clip(source_of(tmp_path / "bottles.mp4", 24, 30.0), tmp_path, SegmentParams())
    assert caught.value.reason in ("two_products", "no_product")
