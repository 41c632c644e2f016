"""`dataset.json` as the seeds write it, and the schema that holds it to that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from pvtt.records.dataset import SCHEMA_FILE, DatasetEntry, DatasetFile, dataset_json_schema

# Section 2.3 of the experiment document.
SEED_ENTRY: dict[str, Any] = {
    "product_id": "JEWE001",
    "clip_id": "001",
    "video_path": "videos/JEWE001_001.mp4",
    "masked_video_path": "masked/JEWE001_001.mp4",
    "mask_dir": "masks/JEWE001_001/",
    "product_images": [
        "product_images/JEWE001/front.png",
        "product_images/JEWE001/side.png",
        "product_images/JEWE001/detail.png",
    ],
    "caption": "silver bracelet with gemstones on purple velvet",
    "num_frames": 72,
    "fps": 24,
}
SEED_FILE = {"train": [SEED_ENTRY], "val": [], "test": []}


def entry(**changes: Any) -> DatasetEntry:
    fields: dict[str, Any] = {
        "split": "train",
        "product_id": "JEWE001",
        "clip_id": "001",
        "category": "bracelet",
        "caption": "silver bracelet with gemstones on purple velvet",
        "clip_path": "outs/clip/videos/JEWE001_001.mp4",
        "mask_path": "outs/segment/masks/JEWE001_001.mkv",
        "photo_paths": tuple(f"outs/photos/photos/JEWE001/{name}.png" for name in ("front", "side", "detail")),
        "clip_sha256": "a" * 64,
        "mask_sha256": "b" * 64,
        "photo_sha256s": ("c" * 64, "d" * 64, "e" * 64),
        "num_frames": 72,
        "fps": 24.0,
        "width": 720,
        "height": 480,
    }
    return DatasetEntry(**(fields | changes))


def test_committed_schema_is_the_generated_one() -> None:
    assert json.loads(SCHEMA_FILE.read_text()) == dataset_json_schema(), "run `python -m pvtt.records.dataset`"


def test_the_seeds_example_is_valid_and_round_trips() -> None:
    jsonschema.Draft202012Validator(dataset_json_schema()).validate(SEED_FILE)
    assert json.loads(DatasetFile.from_json(json.dumps(SEED_FILE)).to_json()) == SEED_FILE


def test_entries_become_the_seeds_example(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    DatasetFile.from_entries([entry()]).write(path)
    assert json.loads(path.read_text()) == SEED_FILE
    assert '"fps": 24\n' in path.read_text()
    assert list(json.loads(path.read_text())["train"][0]) == list(SEED_ENTRY)  # order of the fields too


@pytest.mark.parametrize(
    "change",
    [
        {"product_images": []},
        {"video_path": "../videos/JEWE001_001.mp4"},
        {"video_path": "/videos/JEWE001_001.mp4"},
        {"masked_video_path": "masked/../../x.mp4"},
        {"product_id": "JEWE 001"},
        {"clip_id": "1"},
        {"num_frames": 0},
        {"fps": 0},
        {"extra": 1},
        {"caption": None},
    ],
)
def test_what_the_seeds_do_not_write_is_refused_by_schema_and_record(change: dict[str, Any]) -> None:
    wrong = {"train": [SEED_ENTRY | change], "val": [], "test": []}
    assert not jsonschema.Draft202012Validator(dataset_json_schema()).is_valid(wrong)
    with pytest.raises(ValidationError):
        DatasetFile.from_json(json.dumps(wrong))


def test_a_missing_split_or_field_is_refused() -> None:
    validator = jsonschema.Draft202012Validator(dataset_json_schema())
    assert not validator.is_valid({"train": [], "val": []})
    for field in SEED_ENTRY:
        short = {key: value for key, value in SEED_ENTRY.items() if key != field}
        assert not validator.is_valid({"train": [short], "val": [], "test": []}), field


def test_perceptual_hashes_are_of_all_photos_or_of_none() -> None:
    assert entry(photo_hashes=("0" * 16,) * 3).photo_hashes
    with pytest.raises(ValidationError, match="3 photos but 2 perceptual hashes"):
        entry(photo_hashes=("0" * 16,) * 2)


def test_a_photo_without_its_hash_is_refused() -> None:
    with pytest.raises(ValidationError, match="3 photos but 1 photo hashes"):
        entry(photo_sha256s=("c" * 64,))
