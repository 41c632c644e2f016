"""The adapters on their real classes, with random weights in tiny configurations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pvtt.dispatch import InlineDispatcher
from pvtt.errors import MissingInputError
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Frame, SoftMask
from pvtt.media.masks import read_masks
from pvtt.records.base import read_jsonl
from pvtt.records.clips import Mask
from pvtt.segment import sam2 as sam2_module
from pvtt.segment.grounding_dino import GroundingDinoDetector
from pvtt.segment.protocols import Detection
from pvtt.segment.sam2 import Sam2Tracker
from pvtt.stages import clip, segment
from tests.scenes import add_product, draw_shot, small_params, video_bytes
from tests.small_networks import save_grounding_dino, save_sam2


@pytest.fixture(scope="module")
def grounding_dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_grounding_dino(tmp_path_factory.mktemp("grounding-dino"))


@pytest.fixture(scope="module")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam2(tmp_path_factory.mktemp("sam2"))


def frames(num: int) -> list[Frame]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 255, (num, 48, 72, 3), dtype=np.uint8))


def test_grounding_dino_gives_boxes_inside_the_frame_surest_first(
    grounding_dino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvtt.segment.grounding_dino.BOX_THRESHOLD", 0.0)  # random weights are never sure
    detection = GroundingDinoDetector(grounding_dino, "product.").detect(frames(1)[0])
    assert detection.num_products >= 1
    assert detection.boxes.shape == (detection.num_products, 4)
    assert (np.diff(detection.scores) <= 0).all()
    assert detection.mask is None


def test_grounding_dino_sees_no_product_below_its_threshold(
    grounding_dino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvtt.segment.grounding_dino.BOX_THRESHOLD", 1.0)
    assert GroundingDinoDetector(grounding_dino, "product.").detect(frames(1)[0]).num_products == 0


def test_missing_weights_are_an_error_that_names_the_param(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"segment\.detector_weights"):
        GroundingDinoDetector(tmp_path, "product.")
    with pytest.raises(MissingInputError, match=r"segment\.tracker_weights"):
        Sam2Tracker(tmp_path)


def square() -> Detection:
    mask = np.zeros((48, 72), np.float32)
    mask[12:36, 20:44] = 1.0
    return Detection(np.array([[20, 12, 44, 36]], np.float32), np.ones(1, np.float32), mask)


def boxed() -> Detection:
    return Detection(square().boxes, square().scores)


@pytest.mark.parametrize("detection", [square(), boxed()], ids=["mask", "box"])
def test_sam2_gives_a_mask_for_every_frame(
    sam2_folder: Path, detection: Detection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam2_module, "CHUNK_FRAMES", 4)  # three chunks
    stream = [(frame, detection if index == 1 else None) for index, frame in enumerate(frames(9))]
    masks = list(Sam2Tracker(sam2_folder).track(stream))
    assert len(masks) == 9
    for mask in masks:
        assert mask.shape == (48, 72)
        assert 0 <= mask.min() <= mask.max() <= 1
    if detection.mask is not None:  # a mask prompt is what SAM 2 shows on its frame
        intersection = ((masks[1] >= 0.5) & (detection.mask >= 0.5)).sum()
        assert intersection / ((masks[1] >= 0.5) | (detection.mask >= 0.5)).sum() > 0.8


def test_sam2_gives_empty_masks_where_nothing_was_detected(sam2_folder: Path) -> None:
    nothing = Detection(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    masks = list(Sam2Tracker(sam2_folder).track([(frame, nothing) for frame in frames(2)]))
    assert [mask.max() for mask in masks] == [0, 0]


def test_sam2_is_deterministic_and_quiet(sam2_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stream = [(frame, square() if index == 0 else None) for index, frame in enumerate(frames(3))]
    tracker = Sam2Tracker(sam2_folder)
    first, second = (np.stack(list(tracker.track(stream))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert "it/s" not in capfd.readouterr().err


def test_a_product_that_is_seen_late_is_followed_back_to_the_first_frame(
    sam2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam2_module, "CHUNK_FRAMES", 4)  # frames 0-3, 3-6, 6-9
    nothing = Detection(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    seen = {1: nothing, 7: square()}
    tracker = Sam2Tracker(sam2_folder)
    monkeypatch.setattr(tracker, "_propagate", painted(tracker))
    masks = list(tracker.track([(frame, seen.get(index)) for index, frame in enumerate(frames(10))]))
    assert len(masks) == 10
    assert all(mask.max() > 0.5 for mask in masks)
    assert all(mask.max() == 0 for mask in tracker.track([(frame, nothing) for frame in frames(10)]))


def painted(tracker: Sam2Tracker) -> Callable[[Any, Any], list[SoftMask]]:
    """What a tracker finds, and a corner of each mask: random weights may find nothing, which is not handed on."""
    propagate = tracker._propagate

    def with_corner(state: Any, window: Any) -> list[SoftMask]:
        masks = propagate(state, window)
        for mask in masks:
            mask[:4, :4] = 1
        return masks

    return with_corner


def test_where_the_product_is_lost_the_detector_is_asked_again(
    sam2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam2_module, "LOST", 1e9)  # wherever it was not prompted, it is lost
    asked: list[Frame] = []

    def look(frame: Frame) -> Detection:
        asked.append(frame)
        return square()

    stream = [(frame, boxed() if index == 0 else None) for index, frame in enumerate(frames(5))]
    masks = list(Sam2Tracker(sam2_folder).track(stream, look))
    assert [one.shape for one in asked] == [(48, 72, 3)] * sam2_module.MAX_LOOKS
    found = square().mask
    assert found is not None
    agree = [float(((mask >= 0.5) & (found >= 0.5)).sum() / ((mask >= 0.5) | (found >= 0.5)).sum()) for mask in masks]
    assert min(agree[1:]) > 0.8  # frames 1 to 4 were all asked for


def test_the_stage_masks_a_crawled_product_by_its_words(
    grounding_dino: Path, sam2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvtt.segment.grounding_dino.BOX_THRESHOLD", 0.0)  # random weights are never sure
    monkeypatch.setattr(sam2_module, "CHUNK_FRAMES", 7)  # two windows
    workspace, params = Workspace(tmp_path / "project"), small_params()
    by_words = params.segment.model_copy(
        update={
            "detector": "grounding_dino",
            "tracker": "sam2",
            "detector_weights": str(grounding_dino),
            "tracker_weights": str(sam2_folder),
            "text": "{product}.",
            "key_frame_every": 6,
            # What random weights find is no product, and all of it is taken.
            **{"max_products": 1000, "min_area": 0.0, "max_area": 1.0, "max_border": 1.0, "min_confidence": 0.0},
        }
    )
    asked: list[str] = []
    as_it_is = GroundingDinoDetector.asked

    def asked_for(detector: GroundingDinoDetector, text: str) -> GroundingDinoDetector:
        asked.append(text)
        return as_it_is(detector, text)

    monkeypatch.setattr(GroundingDinoDetector, "asked", asked_for)
    add_product(workspace, "P1", [video_bytes(tmp_path, [draw_shot(0, 12)[0]], 8.0)])
    clip.run(workspace, params, InlineDispatcher())
    segment.run(workspace, params.model_copy(update={"segment": by_words}), InlineDispatcher())
    (mask,) = read_jsonl(workspace.out("segment") / "masks.jsonl", Mask)
    assert mask.segmenter == "grounding-dino-1+sam2-2"
    assert asked == ["bottle."]
    assert read_masks(workspace.out("segment") / mask.path).shape == (12, 128, 192)
