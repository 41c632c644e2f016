"""The adapters on their real classes, with random weights in tiny configurations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.errors import MissingInputError
from pvtt.media.arrays import Frame
from pvtt.segment import sam2 as sam2_module
from pvtt.segment.grounding_dino import GroundingDinoDetector
from pvtt.segment.protocols import Detection
from pvtt.segment.sam2 import Sam2Tracker
from tests.small_networks import save_grounding_dino, save_sam2


@pytest.fixture(scope="module")
def grounding_dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_grounding_dino(tmp_path_factory.mktemp("grounding-dino"))


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


@pytest.fixture(scope="module")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam2(tmp_path_factory.mktemp("sam2"))


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
