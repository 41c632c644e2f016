"""Copies across splits: clips and photos that were encoded again, scaled or mirrored are found, others are not."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.dataset.join import join
from pvtt.dataset.looks import DISTANCE, Copy, Look, find_copies, look_at
from pvtt.dispatch import InlineDispatcher
from pvtt.errors import ValidationFailedError
from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Video
from pvtt.media.video import write_video
from pvtt.records.base import read_jsonl, write_jsonl
from pvtt.records.dataset import SPLITS
from pvtt.records.expectations import ExpectationResult
from pvtt.stages import validate
from tests.dataset.build import Rows, params
from tests.scenes import draw_shot

FPS = 12.0
NUM_FRAMES = 36


def mirrored(frames: Video) -> Video:
    return np.ascontiguousarray(frames[:, :, ::-1])


def smaller(frames: Video) -> Video:
    return np.stack([cv2.resize(frame, (144, 96), interpolation=cv2.INTER_AREA) for frame in frames])


COPIES = {
    "encoded again": lambda frames: (frames, 34),
    "scaled": lambda frames: (smaller(frames), 12),
    "mirrored": lambda frames: (mirrored(frames), 12),
    "mirrored, scaled and encoded again": lambda frames: (mirrored(smaller(frames)), 30),
}


class Drawn:
    """`Rows` whose clips and photos are drawn: `draw` puts other content in a place, and its hash into the record."""

    def __init__(self, root: Path, rows: Rows) -> None:
        self.rows = rows
        self.workspace = Workspace(root)

    @classmethod
    def of(cls, root: Path, num_products: int) -> Drawn:
        rows = Rows(num_products, clips_each=1)
        rows.write(root)
        made = cls(root, rows)
        for number in range(num_products):
            made.draw(number, shot(number))
        made.write()
        return made

    def copy(self, root: Path) -> Drawn:
        """Another of the same content, with what was looked at already."""
        shutil.copytree(self.workspace.root, root / "copy")
        return Drawn(root / "copy", copy.deepcopy(self.rows))

    def draw(self, number: int, frames: Video, crf: int = 12) -> None:
        """Clip and photos of a product."""
        path = self.workspace.out("clip") / self.rows.clips[number].path
        write_video(path, np.repeat(frames, NUM_FRAMES, axis=0), FPS, crf)
        self.rows.change("clips", number, sha256=sha256_file(path), num_frames=NUM_FRAMES)
        self.rows.change("masks", number, clip_sha256=sha256_file(path), num_frames=NUM_FRAMES)
        photos = self.rows.photo_sets[number].photos
        for place, photo in enumerate(photos):
            path = self.workspace.out("photos") / photo.path
            cv2.imwrite(str(path), np.roll(frames[0], len(frames[0]) * place // 16, axis=0)[..., ::-1])
        found = [sha256_file(self.workspace.out("photos") / photo.path) for photo in photos]
        changed = tuple(one.model_copy(update={"sha256": new}) for one, new in zip(photos, found, strict=True))
        self.rows.change("photo_sets", number, photos=changed)

    def write(self) -> None:
        write_jsonl(self.workspace.out("clip") / "clips.jsonl", self.rows.clips)
        write_jsonl(self.workspace.out("segment") / "masks.jsonl", self.rows.masks)
        write_jsonl(self.workspace.out("photos") / "photos.jsonl", self.rows.photo_sets)

    def of_split(self, split: str) -> list[int]:
        """The numbers of the products in a split."""
        places = join(validate.read_sources(self.workspace), params()).places
        return [number for number, one in enumerate(self.rows.products) if places[one.product_id].split == split]

    def found(self) -> dict[str, str]:
        """Held-out copies and their originals, without their folders."""
        self.write()
        entries = join(validate.read_sources(self.workspace), params()).entries
        copies = find_copies(look_at(self.workspace, entries, InlineDispatcher()))
        pairs = ((one.look.name, one.original.name) for one in copies if one.original is not None)
        return {name.split("/", 2)[2]: original.split("/", 2)[2] for name, original in pairs}

    def run(self) -> None:
        self.write()
        validate.run(self.workspace, params(), InlineDispatcher())

    def result(self, table: str, words: str) -> ExpectationResult:
        results = read_jsonl(self.workspace.out("validate") / "expectations.jsonl", ExpectationResult)
        return next(one for one in results if one.table == table and words in one.expectation)


def shot(seed: int) -> Video:
    """A frame of a scene of its own: a backdrop of blobs, and a striped product."""
    rng = np.random.default_rng(1000 + seed)
    backdrop = cv2.resize(rng.uniform(40, 215, (6, 9, 3)).astype(np.float32), (192, 128), interpolation=cv2.INTER_CUBIC)
    frames, masks = draw_shot(seed, 1)
    return np.where(masks[..., None] > 0, frames, backdrop[None].clip(0, 255)).astype(np.uint8)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    made = Drawn.of(tmp_path_factory.mktemp("drawn"), num_products=16)
    made.run()
    return made


def test_products_of_their_own_are_no_copies_and_a_second_look_decodes_nothing(
    drawn: Drawn, capsys: pytest.CaptureFixture[str]
) -> None:
    num_held_out = len(drawn.of_split("val")) + len(drawn.of_split("test"))
    for table, each in (("held_out_clips", 1), ("held_out_photos", 3)):
        result = drawn.result(table, "is a copy")
        assert result.num_rows == each * num_held_out
        assert result.passed, result.failed_rows
    assert drawn.result("files", "can be opened").passed
    assert drawn.found() == {}
    assert "validate_looks: 0 of 16 items were new" in capsys.readouterr().err


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_of_a_training_product_among_the_held_out_ones_is_found(tmp_path: Path, drawn: Drawn, kind: str) -> None:
    planted = drawn.copy(tmp_path)
    for split in ("val", "test"):
        original, twin = planted.of_split("train")[0], planted.of_split(split)[0]
        planted.draw(twin, *COPIES[kind](shot(original)))
        found = planted.found()
        clips = planted.rows.clips
        assert found[clips[twin].path] == clips[original].path
        assert sum("photos/" in name for name in found) >= 3, "its photos are copies too"
        planted.draw(twin, shot(twin))


def test_the_same_shape_in_other_colours_is_another_product(tmp_path: Path, drawn: Drawn) -> None:
    planted = drawn.copy(tmp_path)
    original, twin = planted.of_split("train")[0], planted.of_split("test")[0]
    frames = shot(original)
    grey = frames @ np.array([0.299, 0.587, 0.114])
    painted = np.clip(np.stack([1.25 * grey, grey, 0.1 * grey], axis=-1), 0, 255)
    painted *= (grey / np.maximum(painted @ np.array([0.299, 0.587, 0.114]), 1))[..., None]  # as bright everywhere
    planted.draw(twin, painted.clip(0, 255).astype(np.uint8))
    assert planted.found() == {}


def test_a_copy_within_a_split_is_none(tmp_path: Path, drawn: Drawn) -> None:
    planted = drawn.copy(tmp_path)
    one, other = planted.of_split("train")[:2]
    planted.draw(other, shot(one))
    assert planted.found() == {}


def test_copies_and_what_cannot_be_opened_are_named_and_many_copies_stop_the_run(tmp_path: Path, drawn: Drawn) -> None:
    planted = drawn.copy(tmp_path)
    shutil.rmtree(planted.workspace.cache)  # else what was seen before stays seen
    train, twin = planted.of_split("train"), planted.of_split("test")[0]
    planted.draw(twin, shot(train[0]))
    clip, photos = planted.rows.clips[train[1]], planted.rows.photo_sets[train[2]].photos
    (planted.workspace.out("clip") / clip.path).unlink()
    (planted.workspace.out("photos") / photos[0].path).write_bytes(b"no picture")
    broken = photos[0].model_copy(update={"sha256": sha256_file(planted.workspace.out("photos") / photos[0].path)})
    planted.rows.change("photo_sets", train[2], photos=(broken, *photos[1:]))
    with pytest.raises(ValidationFailedError, match="held-out clips copy another split's") as failure:
        planted.run()
    assert f"outs/clip/{clip.path} (state=missing)" in failure.value.message

    copies = planted.result("held_out_clips", "is a copy")
    assert (copies.severity, copies.num_failed) == ("warning", 1)
    assert copies.failed_rows[0].startswith(f"outs/clip/{planted.rows.clips[twin].path} (copy_of=")
    assert planted.result("held_out_photos", "is a copy").num_failed == 3
    unseen = planted.result("files", "can be opened")
    names = {row.split(" ")[0] for row in unseen.failed_rows}
    assert (unseen.severity, f"outs/photos/{broken.path}" in names) == ("warning", True)
    assert f"outs/clip/{clip.path}" in names
    assert f"outs/photos/{photos[1].path}" not in names


def test_categories_that_test_lacks_are_a_warning(drawn: Drawn) -> None:
    of = {split: {drawn.rows.products[number].category for number in drawn.of_split(split)} for split in SPLITS}
    result = drawn.result("categories", "test has products of each category")
    assert result.num_rows == len(of["train"])
    assert result.severity == "warning"
    assert {row.split(" ")[0] for row in result.failed_rows} == of["train"] - of["test"]
    assert result.failed_rows, "a test that could not fail"


def look(name: str, split: str, bits: int) -> Look:
    words = [np.uint64((bits >> shift) & (2**64 - 1)) for shift in (192, 128, 64, 0)]
    return Look("clip", name, split, np.array(words, np.uint64), np.zeros((4, 4, 3), np.uint8))  # type: ignore[arg-type]


def test_the_nearest_is_named_and_many_copies_make_one_row_each() -> None:
    rng = np.random.default_rng(0)
    base = int.from_bytes(rng.bytes(32), "big")
    near = base ^ ((1 << DISTANCE["clip"]) - 1)
    far = base ^ ((1 << (DISTANCE["clip"] + 1)) - 1)
    others = [look(f"far{number}", "train", far) for number in range(300)]
    originals = [look("near", "train", near), look("nearest", "val", base ^ 1)]
    copies = find_copies([*others, *originals, *(look(f"test{number}", "test", base) for number in range(200))])
    named = {copy.look.name: copy.original for copy in copies}
    assert len(copies) == 201  # the held-out ones: 200 of test, 1 of val
    assert {one.name for name, one in named.items() if name.startswith("test") and one} == {"nearest"}
    assert isinstance(copies[0], Copy)


def test_a_split_alone_has_nothing_to_copy() -> None:
    assert [copy.original for copy in find_copies([look("a", "test", 5), look("b", "test", 5)])] == [None, None]
    assert find_copies([look("a", "train", 5)]) == []
