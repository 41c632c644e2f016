"""The validate stage: what it writes, what it leaves out, and which rows it names when it stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pvtt.dispatch import InlineDispatcher
from pvtt.errors import MissingInputError, ValidationFailedError
from pvtt.files.workspace import Workspace
from pvtt.records.base import read_jsonl
from pvtt.records.catalog import Reject
from pvtt.records.dataset import SCHEMA_FILE, DatasetEntry
from pvtt.records.expectations import ExpectationResult
from pvtt.stages import validate
from tests.dataset.build import Rows, params


def run(workspace: Workspace, **changes: Any) -> None:
    validate.run(workspace, params(**changes), InlineDispatcher())


def test_a_sound_dataset_passes_and_is_written_in_all_forms(tmp_path: Path) -> None:
    rows = Rows(24)
    rows.rejects["clip"] = [
        Reject(stage="clip", item="JEWE001/videos/v.mp4#3", product_id="JEWE001", reason="too_short", message="1 s")
    ]
    workspace = rows.write(tmp_path)
    run(workspace)
    out = workspace.out("validate")
    samples = read_jsonl(out / "entries.jsonl", DatasetEntry)
    assert [sample.key for sample in samples] == sorted(clip.key for clip in rows.clips)
    for sample in samples:
        for path in (sample.clip_path, sample.mask_path, *sample.photo_paths):
            assert (workspace.root / path).is_file()

    dataset = json.loads((out / "dataset.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(dataset)
    assert sum(len(dataset[split]) for split in ("train", "val", "test")) == 48

    metrics = json.loads((workspace.metrics / "validate.json").read_text())
    assert metrics["splits"]["clips"] == {split: len(dataset[split]) for split in ("train", "val", "test")}
    assert sum(metrics["splits"]["products"].values()) == 24
    assert metrics["splits"]["products"]["test"] >= 5
    assert metrics["rejected"] == {"clip": {"too_short": 1}}
    assert metrics["expectations"]["failed_critical"] == 0
    assert metrics["expectations"]["passed"] >= 30

    index = (out / "data_docs" / "index.html").read_text()
    assert "clips" in index
    pages = "".join(page.read_text() for page in (out / "data_docs" / "validations").rglob("*.html"))
    assert "masks were made of the present clips" in pages


def test_what_encode_reads_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    workspace = Rows(12).write(tmp_path)
    names = ("entries.jsonl", "transfers.json", "dataset.json", "rejects.jsonl", "expectations.jsonl")
    run(workspace)
    before = {name: (workspace.out("validate") / name).read_bytes() for name in names}
    run(workspace)
    assert before == {name: (workspace.out("validate") / name).read_bytes() for name in names}


def test_unusable_clips_and_products_are_left_out_with_the_reason(tmp_path: Path) -> None:
    rows = Rows(14)
    rows.masks = [mask for mask in rows.masks if mask.key not in ("JEWE001_002", "JEWE002_001", "JEWE002_002")]
    rows.photo_sets = [one for one in rows.photo_sets if one.product_id != "JEWE003"]
    rows.change("photo_sets", 2, photos=rows.photo_sets[2].photos[:2])  # JEWE004
    workspace = rows.write(tmp_path)
    run(workspace)
    rejects = read_jsonl(workspace.out("validate") / "rejects.jsonl", Reject)
    assert [(reject.item, reject.reason) for reject in rejects] == [
        ("JEWE001_002", "no_mask"),
        ("JEWE002_001", "no_mask"),
        ("JEWE002_002", "no_mask"),
        ("JEWE002", "no_clip"),
        ("JEWE003", "too_few_photos"),
        ("JEWE004", "too_few_photos"),
    ]
    samples = read_jsonl(workspace.out("validate") / "entries.jsonl", DatasetEntry)
    left_out = {"JEWE002", "JEWE003", "JEWE004"}
    assert not left_out & {sample.product_id for sample in samples}
    assert "JEWE001_002" not in {sample.key for sample in samples}


def test_products_without_photos_may_pass_since_their_other_clips_can_stand_in(tmp_path: Path) -> None:
    rows = Rows(14)
    rows.change("photo_sets", 2, photos=())  # JEWE003
    rows.photo_sets = [one for one in rows.photo_sets if one.product_id != "JEWE004"]
    workspace = rows.write(tmp_path)
    loaded = params()
    photos = loaded.photos.model_copy(update={"min_photos": 0})
    validate.run(workspace, loaded.model_copy(update={"photos": photos}), InlineDispatcher())
    samples = {one.key: one for one in read_jsonl(workspace.out("validate") / "entries.jsonl", DatasetEntry)}
    assert samples["JEWE003_001"].photo_paths == samples["JEWE004_002"].photo_paths == ()
    dataset = json.loads((workspace.out("validate") / "dataset.json").read_text())
    listed = {entry["product_id"] for entries in dataset.values() for entry in entries}
    assert listed == {one.product_id for one in samples.values()} - {"JEWE003", "JEWE004"}  # it wants pictures
    hashes = samples["JEWE001_001"].photo_hashes
    assert hashes == tuple(photo.perceptual_hash for photo in rows.photo_sets[0].photos)


def test_every_critical_fault_stops_it_and_names_the_rows(tmp_path: Path) -> None:
    rows = Rows(12)
    rows.change("clips", 0, fps=24.0)
    rows.change("clips", 1, width=704)
    rows.change("clips", 2, num_frames=12)
    rows.change("masks", 3, num_frames=47)
    rows.change("masks", 4, area_mean=0.97)
    rows.change("masks", 5, clip_sha256="0" * 64)
    twins = rows.photo_sets[6].photos
    rows.change("photo_sets", 6, photos=(twins[0], twins[1], twins[2].model_copy(update={"sha256": twins[0].sha256})))
    rows.change(
        "photo_sets",
        7,
        photos=(*rows.photo_sets[7].photos[:2], rows.photo_sets[7].photos[2].model_copy(update={"area": 0.0})),
    )
    rows.clips.append(rows.clips[16].model_copy(update={"product_id": "GONE01", "path": "videos/GONE01_001.mp4"}))
    workspace = rows.write(tmp_path)
    (workspace.out("clip") / rows.clips[9].path).write_text("other content")
    (workspace.out("segment") / rows.masks[10].path).unlink()
    with pytest.raises(ValidationFailedError) as failure:
        run(workspace)
    for expected in (
        "clips: clips have 12 frames a second: JEWE001_001 (fps=24)",
        "clips: clips are 720 pixels wide: JEWE001_002 (width=704)",
        "clips: clips last 3–10 s: 35–121 frames: JEWE002_001 (num_frames=12)",
        "clips: clips belong to a product of data/: GONE01_001 (known_product=False)",
        "masks: masks have the num_frames of their clip: ",
        "JEWE002_002 (num_frames=47, clip_num_frames=48)",
        "of the frame on average: JEWE003_001 (area_mean=0.97)",
        "masks: masks were made of the present clips: JEWE003_002",
        "photos: a product's photos differ from each other: photos/JEWE007/00.png",
        "of a photo: photos/JEWE008/02.png (area=0)",
        "outs/clip/videos/JEWE005_002.mp4 (state=changed)",
        "outs/segment/masks/JEWE006_001.mkv (state=missing)",
    ):
        assert expected in failure.value.message
    assert failure.value.hint is not None
    assert "data_docs/index.html" in failure.value.hint
    results = read_jsonl(workspace.out("validate") / "expectations.jsonl", ExpectationResult)
    metrics = json.loads((workspace.metrics / "validate.json").read_text())
    failed = [result for result in results if result.severity == "critical" and not result.passed]
    assert metrics["expectations"]["failed_critical"] == len(failed)


def test_warnings_are_recorded_and_stop_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows(12)
    rows.change("products", 0, license=None)
    rows.change("clips", 2, caption="")
    run(rows.write(tmp_path))
    warnings = capsys.readouterr().err
    assert "validate: warning: products: products state a licence: JEWE001" in warnings
    assert "validate: warning: clips: captions have 10–1000 characters: JEWE002_001 (caption_length=0)" in warnings


def test_too_few_products_and_too_many_rejects_stop_it(tmp_path: Path) -> None:
    rows = Rows(4)
    rows.rejects["segment"] = [
        Reject(stage="segment", item=f"X_{number:03d}", reason="no_product", message="none") for number in range(30)
    ]
    with pytest.raises(ValidationFailedError) as failure:
        run(rows.write(tmp_path))
    assert "at least validate.min_products=10 usable products: dataset (num_products=4)" in failure.value.message
    assert "at most 50% of the shots were turned away" in failure.value.message


def test_nothing_usable_is_a_clear_failure(tmp_path: Path) -> None:
    rows = Rows(2)
    rows.masks = []
    with pytest.raises(ValidationFailedError, match="samples: there are samples"):
        run(rows.write(tmp_path))


def test_only_a_sample_of_the_files_is_hashed(tmp_path: Path) -> None:
    workspace = Rows(12).write(tmp_path)
    for photo in workspace.out("photos").rglob("*.png"):
        photo.write_text("other")
    run(workspace, max_hashed_files=0)
    with pytest.raises(ValidationFailedError, match="state=changed"):
        run(workspace, max_hashed_files=1000)


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    workspace = Rows(2).write(tmp_path)
    (workspace.out("segment") / "masks.jsonl").unlink()
    with pytest.raises(MissingInputError, match=r"segment/masks\.jsonl does not exist") as failure:
        run(workspace)
    assert failure.value.hint == "run `dvc repro segment` (or `pvtt segment`) first"


def test_equal_data_give_equal_pages(tmp_path: Path) -> None:
    pages = []
    for name in ("one", "another"):
        workspace = Rows(24).write(tmp_path / name)
        run(workspace)
        docs = workspace.out("validate") / "data_docs"
        pages.append({path.relative_to(docs): path.read_bytes() for path in docs.rglob("*") if path.is_file()})

    assert pages[0] == pages[1]
