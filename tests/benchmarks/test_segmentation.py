"""Segmentation against exact masks: a detector on every frame, or on key frames with optical flow between.

`pytest tests/benchmarks/test_segmentation.py -s` prints the figures.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pvtt.builtin.shop.build import ground_truth
from pvtt.builtin.shop.catalog import PHOTO_SIZE
from pvtt.builtin.shop.products import ProductSpec, product_spec
from pvtt.builtin.shop.render import Renderer
from pvtt.clips.shots import SourceVideo, split_video
from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.foreground.holes import carve_holes, foreground
from pvtt.foreground.saliency import saliency
from pvtt.media.arrays import Frame, FrameRegion
from pvtt.media.masks import iter_masks, read_mask_frames, read_masks
from pvtt.media.video import read_frames
from pvtt.params.file import load_params
from pvtt.params.segment import SegmentParams
from pvtt.records.base import read_jsonl
from pvtt.records.clips import Clip, Mask
from pvtt.segment.cleaning import clean
from pvtt.segment.optical_flow import OpticalFlowTracker
from pvtt.segment.protocols import Detection
from pvtt.segment.segmenter import ClipSource, key_frames, segment_clip
from pvtt.segment.u2netp import U2NetpDetector

NUM_FRAMES = 12
EVERY = 12
SAMPLE = 7  # every which of the shop's videos is looked at


def iou(found: FrameRegion, true: FrameRegion) -> float:
    return float((found & true).sum() / max(1, (found | true).sum()))


@pytest.mark.parametrize("name", ["coffee_mug", "vitamin_bottle"])
def test_key_frames_and_flow_against_every_frame(
    shared_data: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    path = shared_data / "turntable" / f"{name}.mp4"
    frames = read_frames(path, range(NUM_FRAMES))
    true = read_mask_frames(path.with_name(f"{name}_mask.mkv"), range(NUM_FRAMES)) >= 128
    detector, keys = U2NetpDetector(), set(key_frames(NUM_FRAMES, EVERY))
    detector.detect(frames[0])  # load the weights before the clock starts

    start = time.process_time()
    every = [detector.detect(frame).mask for frame in frames]
    middle = time.process_time()
    stream: Iterator[tuple[Frame, Detection | None]] = (
        (frame, detector.detect(frame) if index in keys else None) for index, frame in enumerate(frames)
    )
    tracked = list(OpticalFlowTracker().track(stream))
    end = time.process_time()

    every_iou = np.mean([iou(np.asarray(soft) >= 0.5, mask) for soft, mask in zip(every, true, strict=True)])
    tracked_iou = np.mean([iou(clean(soft >= 0.5, 0.02), mask) for soft, mask in zip(tracked, true, strict=True)])
    speedup = (middle - start) / (end - middle)
    record_property("every_frame_iou", float(every_iou))
    record_property("key_frames_iou", float(tracked_iou))
    record_property("speedup", speedup)
    print(f"\n{name}: every frame {every_iou:.3f}, key frames + flow {tracked_iou:.3f}, {speedup:.1f} times less CPU")
    assert tracked_iou > every_iou - 0.02
    assert speedup > 4  # 12 detections against 1


def shop_videos(project_root: Path) -> list[tuple[str, Path, Path, list[int]]]:
    """A sample of (category prefix, video, mask, cut frames)."""
    truth = ground_truth()["videos"]
    names = sorted(truth)[::SAMPLE]
    masks = project_root / "tests" / "builtin" / "shop" / "ground_truth"
    site = project_root / "pvtt" / "builtin" / "shop" / "site"
    return [
        (truth[name]["product_id"][:4], site / name, masks / truth[name]["mask"], truth[name]["cut_frames"])
        for name in names
    ]


def test_masks_of_the_last_run_against_exact_ones(
    project_root: Path, record_property: Callable[[str, object], None]
) -> None:
    """All clips of the sample shop that `make run` accepted; the exact masks are a quarter of a film's size."""
    workspace = Workspace(project_root)
    if not (workspace.out("segment") / "masks.jsonl").is_file():
        pytest.skip("there is no run here: `make run`")
    site = project_root / "pvtt" / "builtin" / "shop" / "site"
    truths = project_root / "tests" / "builtin" / "shop" / "ground_truth"
    films = {sha256_file(site / name): truths / of_film["mask"] for name, of_film in ground_truth()["videos"].items()}
    accepted = {mask.clip_sha256: mask for mask in read_jsonl(workspace.out("segment") / "masks.jsonl", Mask)}
    scores: dict[str, list[float]] = defaultdict(list)
    for clip in read_jsonl(workspace.out("clip") / "clips.jsonl", Clip):
        if clip.sha256 not in accepted or clip.source_sha256 not in films:
            continue
        true = read_masks(films[clip.source_sha256])[round(clip.source_start_s * clip.fps) :] >= 128
        size = true.shape[2], true.shape[1]
        found = (shrink(mask, size) for mask in iter_masks(workspace.out("segment") / accepted[clip.sha256].path))
        scores[clip.category].append(float(np.mean([iou(*pair) for pair in zip(found, true, strict=False)])))
    every = np.array([score for values in scores.values() for score in values])
    record_property("iou", float(every.mean()))
    for category, values in sorted(scores.items()):
        print(f"\n{category}: IoU {np.mean(values):.3f} over {len(values)} clips, worst {min(values):.3f}", end="")
    print(f"\nall {len(every)}: {every.mean():.3f}; at least 0.95: {(every >= 0.95).mean():.0%}")
    assert every.mean() > 0.95


PHOTOGRAPHED = ("ring", "bracelet", "watch")  # and every eighth product of the namespace, whatever it is
NUM_PHOTOGRAPHED = 30


def test_what_a_photographed_product_encloses_is_left_out(record_property: Callable[[str, object], None]) -> None:
    """Of products that are not the shop's, four photos each: minutes of rendering."""
    chosen = (spec for spec in (product_spec("holes", i) for i in count()) if is_photographed(spec))
    figures: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with Renderer() as renderer:
        for spec in islice(chosen, NUM_PHOTOGRAPHED):
            for number in range(1, 5):
                photo, mask = renderer.render_photo(spec, number, PHOTO_SIZE)
                true, soft = mask >= 128, saliency(photo)
                enclosed = cv2.erode((fill(true) & ~true).astype(np.uint8), np.ones((3, 3))) > 0
                ways = {"saliency": soft, "carved": carve_holes(photo, soft), "foreground": foreground(photo)}
                for name, way in ways.items():
                    found = way >= 0.5
                    figures[name].append((iou(found, true), float((enclosed & found).sum() / true.sum())))
    for name, values in figures.items():
        overlap, shares = (np.array(column) for column in zip(*values, strict=True))
        filled = int((shares > 0.05).sum())
        record_property(f"{name}_iou", float(overlap.mean()))
        record_property(f"{name}_filled", filled)
        print(f"\n{name}: IoU {overlap.mean():.3f}; of {len(values)} photos {filled} with a hole left filled")
    assert np.mean([overlap for overlap, _ in figures["foreground"]]) > 0.95


def is_photographed(spec: ProductSpec) -> bool:
    return spec.category in PHOTOGRAPHED or spec.index % 8 == 0


def fill(mask: FrameRegion) -> FrameRegion:
    """The mask with all that it encloses."""
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(outside)
    return np.asarray((labels != labels[0, 0])[1:-1, 1:-1])


def shrink(mask: npt.NDArray[np.uint8], size: tuple[int, int]) -> FrameRegion:
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA) >= 128)


def test_the_shops_cuts_and_masks_are_found(
    project_root: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    params = load_params(project_root / "params.yaml")
    scores: dict[str, list[float]] = defaultdict(list)
    for number, (prefix, video, mask_path, cut_frames) in enumerate(shop_videos(project_root)):
        directory = tmp_path / f"{number}"
        directory.mkdir()
        shots = split_video(SourceVideo(sha256=sha256_file(video), path=video), directory, params.clip).shots
        starts = [round(shot.start_s * params.clip.fps) for shot in shots]
        assert starts == [0, *cut_frames], f"{video.name} of {video.parent.name}"
        true = read_masks(mask_path)
        shot, start = shots[number % len(shots)], starts[number % len(shots)]
        scores[prefix].append(_segment(shot.num_frames, directory / str(shot.file), true[start:], params.segment))
    mean = float(np.mean([score for values in scores.values() for score in values]))
    record_property("iou", mean)
    for prefix, values in sorted(scores.items()):
        print(f"\n{prefix}: IoU {np.mean(values):.3f} over {len(values)} clips, worst {min(values):.3f}", end="")
    print(f"\nall: {mean:.3f}")
    assert mean > 0.92


def _segment(num_frames: int, clip: Path, true: npt.NDArray[np.uint8], params: SegmentParams) -> float:
    """Mean IoU over a clip's frames, at the size of the true masks."""
    sha256 = sha256_file(clip)
    source = ClipSource(product_id="P", clip_id="001", sha256=sha256, num_frames=num_frames, fps=12.0, path=clip)
    segment_clip(source, clip.parent, params)
    size = true.shape[2], true.shape[1]
    found = (shrink(mask, size) for mask in iter_masks(clip.parent / "mask.mkv"))
    return float(np.mean([iou(one, mask >= 128) for one, mask in zip(found, true, strict=False)]))
