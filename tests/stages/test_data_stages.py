"""clip, segment and photos on crawled data: outputs, reject tables, incremental runs, the failure budget."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvtt.dispatch import InlineDispatcher, LocalDispatcher
from pvtt.errors import FailureBudgetError, MissingInputError
from pvtt.files.hashing import sha256_file, sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Frame
from pvtt.media.masks import read_masks
from pvtt.media.video import read_video
from pvtt.params.file import Params
from pvtt.records.base import read_jsonl
from pvtt.records.clips import Clip, Mask, PhotoSet
from pvtt.stages import clip, photos, segment
from tests.scenes import add_product, draw_shot, video_bytes

Reasons = Callable[[str], dict[str, str]]
FPS = 8.0


def encode_photo(picture: Frame) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def count_entries(workspace: Workspace, stage: str) -> int:
    """Finished items in the cache."""
    return len(list((workspace.cache / stage).glob("*/[0-9a-f]*/result.json")))


def test_without_data_the_error_says_how_to_get_it(workspace: Workspace, small_params: Params) -> None:
    for stage in (clip, photos):
        with pytest.raises(MissingInputError) as caught:
            stage.run(workspace, small_params, InlineDispatcher())
        assert "dvc pull" in str(caught.value.hint)
        assert "make run" in str(caught.value.hint)
    with pytest.raises(MissingInputError, match=r"clips\.jsonl"):
        segment.run(workspace, small_params, InlineDispatcher())


def test_clip_numbers_count_all_shots_of_a_products_videos(
    workspace: Workspace, small_params: Params, tmp_path: Path, reasons: Reasons
) -> None:
    shots = [draw_shot(seed, length)[0] for seed, length in enumerate([12, 6, 12])]
    first = video_bytes(tmp_path, shots, FPS)  # the second shot is too short
    second = video_bytes(tmp_path, [draw_shot(3, 14)[0]], FPS)
    product = add_product(workspace, "BOTT001", [first, first[: len(first) // 2], second])
    clip.run(workspace, small_params, InlineDispatcher())

    out = workspace.out("clip")
    clips = read_jsonl(out / "clips.jsonl", Clip)
    assert [one.key for one in clips] == ["BOTT001_001", "BOTT001_003", "BOTT001_004"]
    assert [one.num_frames for one in clips] == [12, 12, 14]
    assert clips[1].source_start_s == pytest.approx(18 / FPS)
    assert clips[2].source_path == product.videos[2].path
    assert clips[0].caption == "A striped bottle"
    for one in clips:
        assert sha256_file(out / one.path) == one.sha256
        assert read_video(out / one.path).shape == (one.num_frames, 128, 192, 3)
    names = [Path(video.path).name for video in product.videos]
    assert reasons("clip") == {f"BOTT001/videos/{names[0]}#2": "too_short", f"BOTT001/videos/{names[1]}": "truncated"}


@pytest.fixture
def three_products(workspace: Workspace, tmp_path: Path) -> Workspace:
    """One product as it should be, one clip with two products, one without any."""
    for product_id, seed, products in (("GOOD", 0, 1), ("TWO", 4, 2), ("NONE", 6, 0)):
        frames, _ = draw_shot(seed, 12, products)
        add_product(workspace, product_id, [video_bytes(tmp_path, [frames], FPS)])
    return workspace


def test_segment_finds_the_product_and_rejects_what_is_not_one(
    three_products: Workspace, small_params: Params, reasons: Reasons
) -> None:
    clip.run(three_products, small_params, InlineDispatcher())
    segment.run(three_products, small_params, InlineDispatcher())
    out = three_products.out("segment")
    (mask,) = read_jsonl(out / "masks.jsonl", Mask)
    assert reasons("segment") == {"NONE_001": "no_product", "TWO_001": "two_products"}
    assert (mask.key, mask.num_frames, mask.width, mask.height) == ("GOOD_001", 12, 192, 128)
    assert mask.segmenter == "u2netp-1+dis-1"
    assert sha256_file(out / mask.path) == mask.sha256
    found = read_masks(out / mask.path)
    assert set(np.unique(found)) == {0, 255}
    true = draw_shot(0, 12)[1]
    assert ((found > 0) & (true > 0)).sum() / ((found > 0) | (true > 0)).sum() > 0.95
    areas = (found > 0).mean(axis=(1, 2))
    assert (mask.area_min, mask.area_max) == pytest.approx((areas.min(), areas.max()))


def test_missing_weights_stop_the_stage_before_any_clip(
    three_products: Workspace, small_params: Params, tmp_path: Path
) -> None:
    clip.run(three_products, small_params, InlineDispatcher())
    section = small_params.segment.model_copy(update={"tracker": "sam2", "tracker_weights": str(tmp_path / "sam2")})
    with pytest.raises(MissingInputError, match=r"segment\.tracker_weights: .*sam2 is not a folder"):
        segment.run(three_products, small_params.model_copy(update={"segment": section}), InlineDispatcher())
    assert not three_products.out("segment").exists()


def test_photos_are_cut_out_and_bad_ones_turned_away(
    workspace: Workspace, small_params: Params, reasons: Reasons
) -> None:
    views = [encode_photo(draw_shot(seed, 1, size=0.3 + 0.05 * seed)[0][0]) for seed in range(3)]
    blank = encode_photo(draw_shot(6, 1, products=0)[0][0])
    add_product(workspace, "GOOD", photos=[views[0], b"<html>", views[0] + b"\0", views[1], blank])
    add_product(workspace, "FEW", photos=[views[0], blank])
    photos.run(workspace, small_params, InlineDispatcher())
    (photo_set,) = read_jsonl(workspace.out("photos") / "photos.jsonl", PhotoSet)
    assert photo_set.product_id == "GOOD"
    assert [photo.path for photo in photo_set.photos] == ["photos/GOOD/01.png", "photos/GOOD/02.png"]
    for photo in photo_set.photos:
        path = workspace.out("photos") / photo.path
        assert sha256_file(path) == photo.sha256
        picture = np.asarray(Image.open(path))
        assert picture.shape == (128, 128, 4)
        assert picture[64, 64, 3] == 255
        assert picture[0, 0].tolist() == [0, 0, 0, 0]
    table = reasons("photos")
    assert sorted(table.values()) == ["duplicate", "no_product", "no_product", "too_few_photos", "undecodable"]
    assert table["FEW"] == "too_few_photos"


def test_one_more_product_costs_one_products_work_and_the_outputs_equal_a_run_from_scratch(
    workspace: Workspace, small_params: Params, tmp_path: Path
) -> None:
    fresh = Workspace(tmp_path / "fresh")
    videos = [video_bytes(tmp_path, [draw_shot(seed, 10)[0]], FPS) for seed in range(2)]
    views = [[encode_photo(draw_shot(seed + n, 1)[0][0]) for n in (0, 1)] for seed in range(2)]

    def add(target: Workspace, number: int) -> None:
        add_product(target, f"P{number}", [videos[number]], views[number])

    def run_all(target: Workspace, workers: int) -> dict[str, int]:
        for stage in (clip, segment, photos):
            stage.run(target, small_params, LocalDispatcher(workers) if workers > 1 else InlineDispatcher())
        return {name: count_entries(target, name) for name in ("clip", "segment", "photos")}

    add(workspace, 1)
    assert run_all(workspace, 1) == {"clip": 1, "segment": 1, "photos": 1}
    add(workspace, 0)
    assert run_all(workspace, 1) == {"clip": 2, "segment": 2, "photos": 2}
    for number in (0, 1):
        add(fresh, number)
    run_all(fresh, 2)
    for name in ("clip", "segment", "photos"):
        assert sha256_tree(workspace.out(name)) == sha256_tree(fresh.out(name))


def test_a_moved_project_and_a_new_title_cost_no_work(
    workspace: Workspace, small_params: Params, tmp_path: Path
) -> None:
    content = video_bytes(tmp_path, [draw_shot(0, 10)[0]], FPS)
    product = add_product(workspace, "P0", [content])
    clip.run(workspace, small_params, InlineDispatcher())
    (tmp_path / "elsewhere").mkdir()
    moved = Workspace(workspace.root.rename(tmp_path / "elsewhere" / "project"))
    renamed = product.model_copy(update={"title": "Another title"})
    (moved.data / "products" / "P0" / "product.json").write_text(renamed.to_json())
    clip.run(moved, small_params, InlineDispatcher())
    assert count_entries(moved, "clip") == 1
    assert read_jsonl(moved.out("clip") / "clips.jsonl", Clip)[0].caption.startswith("Another title")


def test_a_missing_codec_counts_against_the_budget_and_is_named(
    workspace: Workspace, small_params: Params, tmp_path: Path, reasons: Reasons
) -> None:
    content = video_bytes(tmp_path, [draw_shot(0, 10)[0]], FPS)
    add_product(workspace, "GOOD", [content])
    add_product(workspace, "ODD", [content.replace(b"avc1", b"zzz1")])
    with pytest.raises(FailureBudgetError, match=r"1 of 2 items failed.*no FFmpeg codec"):
        clip.run(workspace, small_params, InlineDispatcher())
    assert list(reasons("clip").values()) == ["error"]  # the table and the good clips are there all the same
    assert [one.key for one in read_jsonl(workspace.out("clip") / "clips.jsonl", Clip)] == ["GOOD_001"]
