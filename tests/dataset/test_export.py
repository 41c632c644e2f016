"""`pvtt export`: the seeds' folder, from real videos, masks and photos."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pvtt.cli.export import command
from pvtt.dataset.export import export_dataset
from pvtt.dispatch import InlineDispatcher
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.hashing import sha256_file, sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.media.masks import write_masks
from pvtt.media.video import read_video, write_video
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import SCHEMA_FILE, DatasetEntry, DatasetFile, Split

FRAMES, HEIGHT, WIDTH = 6, 48, 64


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "params.yaml").touch()
    workspace = Workspace(tmp_path)
    entries = [entry(workspace, "JEWE001", "train"), entry(workspace, "JEWE002", "test")]
    write_jsonl(workspace.out("validate") / "entries.jsonl", entries)
    return workspace


def entry(workspace: Workspace, product_id: str, split: Split) -> DatasetEntry:
    """One sample with real files: a bright frame with a square product that moves to the right."""
    clip = workspace.out("clip") / "videos" / f"{product_id}_001.mp4"
    mask = workspace.out("segment") / "masks" / f"{product_id}_001.mkv"
    photo = workspace.out("photos") / "photos" / product_id / "00.png"
    for path in (clip, mask, photo):
        path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.full((FRAMES, HEIGHT, WIDTH, 3), 200, np.uint8)
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for index in range(FRAMES):
        masks[index, 16:32, 16 + 2 * index : 32 + 2 * index] = 255
    write_video(clip, frames, 12)
    write_masks(mask, masks, 12)
    cv2.imwrite(str(photo), np.full((32, 32, 4), 128, np.uint8))
    return DatasetEntry(
        split=split,
        product_id=product_id,
        clip_id="001",
        category="ring",
        caption="a ring",
        clip_path=clip.relative_to(workspace.root).as_posix(),
        mask_path=mask.relative_to(workspace.root).as_posix(),
        photo_paths=(photo.relative_to(workspace.root).as_posix(),),
        clip_sha256=sha256_file(clip),
        mask_sha256=sha256_file(mask),
        photo_sha256s=(sha256_file(photo),),
        num_frames=FRAMES,
        fps=12.0,
        width=WIDTH,
        height=HEIGHT,
    )


def test_every_path_of_dataset_json_leads_to_what_it_says(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("PVTT_DISPATCH", "inline")
    result = CliRunner().invoke(command, ["exported"], catch_exceptions=False)
    assert result.stdout == "exported: 2 clips of 2 products\n"
    folder = workspace.root / "exported"
    text = (folder / "dataset.json").read_text()
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(json.loads(text))
    dataset = DatasetFile.from_json(text)
    assert [one.product_id for one in dataset.train] == ["JEWE001"]
    assert [one.product_id for one in dataset.test] == ["JEWE002"]
    for one in (*dataset.train, *dataset.test):
        masks = sorted((folder / one.mask_dir).iterdir())
        assert [mask.name for mask in masks] == [f"{index:05d}.png" for index in range(one.num_frames)]
        video, masked = read_video(folder / one.video_path), read_video(folder / one.masked_video_path)
        assert len(video) == len(masked) == one.num_frames
        for index, path in enumerate(masks):
            mask = np.asarray(Image.open(path))
            assert mask.shape == (HEIGHT, WIDTH)
            assert set(np.unique(mask)) == {0, 255}
            inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
            outside = cv2.dilate(mask, np.ones((5, 5), np.uint8)) == 0
            assert masked[index][inside].max() < 16
            assert np.abs(masked[index][outside].astype(int) - video[index][outside]).mean() < 2
        for image in one.product_images:
            assert Image.open(folder / image).mode == "RGBA"


def test_again_it_gives_the_same_bytes_and_replaces_only_exports(workspace: Workspace) -> None:
    entries = [entry(workspace, "JEWE001", "train")]
    folder = workspace.root / "exported"
    export_dataset(workspace, entries, folder, InlineDispatcher())
    before = sha256_tree(folder)
    (folder / "videos" / "JEWE001_001.mp4").write_text("spoilt")  # a copy: the project's own file is untouched
    export_dataset(workspace, entries, folder, InlineDispatcher())
    assert sha256_tree(folder) == before

    other = workspace.root / "precious"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(PvttError, match="precious is not empty"):
        export_dataset(workspace, entries, other, InlineDispatcher())
    assert (other / "thesis.txt").exists()


def test_a_mask_that_does_not_fit_its_clip_is_named(workspace: Workspace) -> None:
    one = entry(workspace, "JEWE001", "train")
    write_masks(workspace.root / one.mask_path, np.zeros((FRAMES - 1, HEIGHT, WIDTH), np.uint8), 12)
    with pytest.raises(PvttError, match=r"1 of 1 clips cannot be exported, first JEWE001_001: .*fewer frames"):
        export_dataset(workspace, [one], workspace.root / "exported", InlineDispatcher())
    assert not (workspace.root / "exported").exists()


def test_without_a_validated_dataset_it_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingInputError) as failure:
        CliRunner().invoke(command, ["exported"], catch_exceptions=False)
    assert failure.value.hint == "run `dvc repro validate` (or `pvtt validate`) first"
