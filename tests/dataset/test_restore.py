"""Export, then import into an empty workspace: the same records and bytes; odd folders: one reject a sample."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from pvtt.cli.import_layout import command
from pvtt.dataset.export import export_dataset
from pvtt.dataset.restore import import_dataset
from pvtt.dispatch import InlineDispatcher
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.records.base import read_jsonl, write_jsonl
from pvtt.records.catalog import Reject
from pvtt.records.dataset import DatasetEntry
from tests.dataset.test_export import FRAMES, entry

OTHER = b"caf\xe9.png"  # no UTF-8


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("source"))
    entries = [
        entry(workspace, product_id, split).model_copy(update={"photo_hashes": ("0f" * 8,)})
        for product_id, split in (("JEWE001", "train"), ("JEWE002", "val"), ("JEWE003", "test"))
    ]
    write_jsonl(workspace.out("validate") / "entries.jsonl", entries)
    export_dataset(workspace, entries, workspace.root / "exported", InlineDispatcher())
    return workspace


@pytest.fixture
def exported(source: Workspace, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source.root / "exported", tmp_path / "exported"))


@pytest.fixture
def empty(tmp_path: Path) -> Workspace:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "params.yaml").touch()
    return Workspace(tmp_path / "empty")


def test_what_was_exported_comes_back_as_the_same_records_and_bytes(
    source: Workspace, exported: Path, empty: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(empty.root)
    monkeypatch.setenv("PVTT_DISPATCH", "inline")
    result = CliRunner().invoke(command, [str(exported)], catch_exceptions=False)
    assert result.stdout == "3 clips of 3 products are in outs/\nnext: pvtt encode\n"
    for name in ("clip", "segment", "photos"):
        assert sha256_tree(empty.out(name)) == sha256_tree(source.out(name))
    files = [workspace.out("validate") / "entries.jsonl" for workspace in (source, empty)]
    assert files[0].read_bytes() == files[1].read_bytes()

    again = empty.root / "again"
    export_dataset(empty, read_jsonl(files[1], DatasetEntry), again, InlineDispatcher())
    assert sha256_tree(again) == sha256_tree(exported)


def test_without_our_records_the_samples_are_there_all_the_same(exported: Path, empty: Workspace) -> None:
    (exported / "entries.jsonl").unlink()
    restored = import_dataset(exported, empty, InlineDispatcher())
    assert [(one.key, one.split, one.category) for one in restored.entries] == [
        ("JEWE001_001", "train", "uncategorised"),
        ("JEWE002_001", "val", "uncategorised"),
        ("JEWE003_001", "test", "uncategorised"),
    ]


def masks(folder: Path) -> Path:
    return folder / "masks" / "JEWE002_001"


def change(folder: Path, **fields: Any) -> None:
    dataset = json.loads((folder / "dataset.json").read_text())
    dataset["val"][0] |= fields
    (folder / "dataset.json").write_text(json.dumps(dataset))


def twice(folder: Path) -> None:
    dataset = json.loads((folder / "dataset.json").read_text())
    dataset["test"].append(dataset["val"][0])
    (folder / "dataset.json").write_text(json.dumps(dataset))


def link_out(path: Path) -> None:
    outside = path.parents[3] / "outside.png"
    shutil.move(path, outside)
    path.symlink_to(outside)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no masks": (lambda folder: shutil.rmtree(masks(folder)), "missing_file"),
    "a mask too few": (lambda folder: (masks(folder) / f"{FRAMES - 1:05d}.png").unlink(), "frame_count"),
    "a mask too many": (
        lambda folder: shutil.copy(masks(folder) / "00000.png", masks(folder) / f"{FRAMES:05d}.png"),
        "frame_count",
    ),
    "other names": (
        lambda folder: (masks(folder) / "00000.png").rename(masks(folder) / "first.png"),
        "frame_count",
    ),
    "a name that is no UTF-8": (
        lambda folder: (masks(folder) / "00000.png").rename(os.fsdecode(os.fsencode(masks(folder)) + b"/" + OTHER)),
        "frame_count",
    ),
    "a cut-off mask": (lambda folder: cut(masks(folder) / "00002.png"), "unreadable"),
    "an empty mask": (lambda folder: (masks(folder) / "00002.png").write_bytes(b""), "unreadable"),
    "a colour mask": (
        lambda folder: Image.new("RGB", (64, 48)).save(masks(folder) / "00002.png"),
        "unreadable",
    ),
    "a mask of another size": (
        lambda folder: Image.new("L", (64, 32)).save(masks(folder) / "00002.png"),
        "mask_size",
    ),
    "a link out of the folder": (lambda folder: link_out(masks(folder) / "00001.png"), "forbidden_path"),
    "a link to itself": (
        lambda folder: ((masks(folder) / "00001.png").unlink(), (masks(folder) / "00001.png").symlink_to("00001.png")),
        "forbidden_path",
    ),
    "no film": (lambda folder: (folder / "videos" / "JEWE002_001.mp4").unlink(), "missing_file"),
    "a film that is none": (lambda folder: (folder / "videos" / "JEWE002_001.mp4").write_text("film"), "bad_video"),
    "another count": (lambda folder: change(folder, num_frames=FRAMES + 1), "frame_count"),
    "no photo": (lambda folder: shutil.rmtree(folder / "product_images" / "JEWE002"), "missing_file"),
    "a photo that is none": (
        lambda folder: (folder / "product_images" / "JEWE002" / "00.png").write_text("photo"),
        "unreadable",
    ),
    "two of one name": (twice, "duplicate"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_reject_and_the_others_are_taken(fault: str, exported: Path, empty: Workspace) -> None:
    spoil, reason = FAULTS[fault]
    spoil(exported)
    import_dataset(exported, empty, InlineDispatcher())
    rejects = read_jsonl(empty.out("validate") / "rejects.jsonl", Reject)
    assert [(one.item, one.reason, one.failed) for one in rejects] == [("JEWE002_001", reason, False)]
    left = {"JEWE001", "JEWE003"} | ({"JEWE002"} if fault == "two of one name" else set())
    entries = read_jsonl(empty.out("validate") / "entries.jsonl", DatasetEntry)
    assert {one.product_id for one in entries} == left
    assert len(list((empty.out("clip") / "videos").iterdir())) == len(left)


def test_a_workspace_with_a_dataset_keeps_it(exported: Path, source: Workspace) -> None:
    before = sha256_tree(source.root / "outs")
    with pytest.raises(PvttError, match="would be replaced"):
        import_dataset(exported, source, InlineDispatcher())
    assert sha256_tree(source.root / "outs") == before


def test_what_is_no_export_is_told(tmp_path: Path, exported: Path, empty: Workspace) -> None:
    with pytest.raises(MissingInputError, match=r"holds no dataset\.json"):
        import_dataset(tmp_path / "empty", empty, InlineDispatcher())
    change(exported, video_path="../../../etc/passwd")
    with pytest.raises(PvttError, match="video_path"):
        import_dataset(exported, empty, InlineDispatcher())
    assert not (empty.root / "outs").exists()


def test_nothing_sound_is_an_error_and_leaves_nothing(exported: Path, empty: Workspace) -> None:
    shutil.rmtree(exported / "masks")
    with pytest.raises(PvttError, match="none of its clips can be used: missing_file 3"):
        import_dataset(exported, empty, InlineDispatcher())
    assert not (empty.root / "outs").exists()
