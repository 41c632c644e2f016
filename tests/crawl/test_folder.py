from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from pvtt.crawl import crawl
from pvtt.errors import FailureBudgetError, MissingInputError
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import read_catalog
from tests.crawl.checks import check_catalog, rejects, tree
from tests.crawl.site import photo_bytes, video_bytes


def write(root: Path, files: dict[str, bytes | str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mine") / "catalogue"
    write(
        root,
        {
            "ring 1/product.json": json.dumps(
                {"title": "Gold ring", "category": "ring", "license": "CC0", "product_id": "JEWE001"}
            ),
            "ring 1/orbit.mov": video_bytes(1),  # an MP4 by its bytes
            "ring 1/photos/front.jpg": photo_bytes(1),
            "ring 1/photos/back.dat": photo_bytes(2, "PNG"),
            "ring 1/notes.txt": "text",
            "ring 1/.DS_Store": "x",
            "mug/v.mp4": video_bytes(2),
            "mug/page.mp4": "<html>",
            "mug/broken.jpg": "text",
            "bad/product.json": '{"titel": "x"}',
            "bad/v.mp4": video_bytes(3),
            "photos only/1.jpg": photo_bytes(3),
            "twin/v.mp4": video_bytes(2),
        },
    )
    return root


def params(folder: Path, **changes: object) -> CrawlParams:
    return CrawlParams(source="folder", start=str(folder), max_failed_fraction=1.0, **changes)  # type: ignore[arg-type]


def test_one_directory_a_product(folder: Path, workspace: Workspace) -> None:
    summary = crawl(workspace, params(folder, license="own"))
    check_catalog(workspace)
    catalog = read_catalog(workspace.data)
    assert list(catalog) == ["JEWE001", "mug"]
    ring = catalog["JEWE001"]
    assert (ring.title, ring.category, ring.license, ring.source) == ("Gold ring", "ring", "CC0", "folder")
    assert ring.page_url == f"folder:{folder}//ring 1"
    assert [medium.url for medium in ring.photos] == ["ring 1/photos/back.dat", "ring 1/photos/front.jpg"]
    assert (ring.videos[0].media_type, ring.photos[0].media_type) == ("video/mp4", "image/png")
    assert catalog["mug"].license == "own"
    assert {(reject.item, reject.reason) for reject in rejects(workspace)} == {
        ("bad/product.json", "bad_product_data"),
        (f"folder:{folder}//photos only", "no_video"),
        (f"folder:{folder}//twin", "duplicate_product"),
        ("mug/broken.jpg", "not_an_image"),
        ("mug/page.mp4", "not_a_video"),
    }
    assert summary.complete
    assert summary.num_new == 2


def test_a_second_crawl_changes_nothing_and_a_removed_product_leaves(folder: Path, workspace: Workspace) -> None:
    crawl(workspace, params(folder))
    before = tree(workspace)
    assert crawl(workspace, params(folder)).num_unchanged == 2
    assert tree(workspace) == before
    (folder / "ring 1").rename(folder.parent / "elsewhere")
    summary = crawl(workspace, params(folder))
    assert (summary.num_dropped, summary.num_products) == (1, 1)
    check_catalog(workspace)


def test_links_out_of_the_folder_are_not_followed(folder: Path, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(video_bytes(9))
    (folder / "mug" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "mug" / "dangling.mp4").symlink_to(folder / "nowhere")
    crawl(workspace, params(folder))
    assert len(read_catalog(workspace.data)["mug"].videos) == 1
    reasons = {reject.item: reject.reason for reject in rejects(workspace)}
    assert (reasons["mug/link.mp4"], reasons["mug/dangling.mp4"]) == ("forbidden_path", "missing_file")


def test_the_users_own_files_are_copied_not_linked(folder: Path, workspace: Workspace) -> None:
    crawl(workspace, params(folder))
    before = tree(workspace)
    with (folder / "ring 1" / "orbit.mov").open("r+b") as file:
        file.write(b"overwritten")
    assert tree(workspace) == before


def test_products_of_other_sources_stay_and_are_not_overwritten(
    folder: Path, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    crawl(workspace, params(folder))
    other = tmp_path_factory.mktemp("other") / "catalogue"
    write(other, {"mug/v.mp4": video_bytes(50), "cup/v.mp4": video_bytes(51)})
    summary = crawl(workspace, params(other))
    assert list(read_catalog(workspace.data)) == ["JEWE001", "cup", "mug"]
    assert read_catalog(workspace.data)["mug"].page_url == f"folder:{folder}//mug"
    assert [(reject.reason, reject.product_id) for reject in rejects(workspace)] == [("duplicate_product", "mug")]
    assert any("other sources" in note for note in summary.notes)


def test_odd_names_and_what_is_no_file_are_rejects_of_their_own(folder: Path, workspace: Workspace) -> None:
    write(folder, {"bom/product.json": '\ufeff{"title": "Cup"}', "bom/v.mp4": video_bytes(4)})
    os.mkfifo(folder / "mug" / "pipe.mp4")
    (folder / "mug" / "loop").symlink_to("loop")
    ring, cup = (os.fsdecode(name.encode("gbk")) for name in ("戒指", "杯"))
    (folder / ring).mkdir()
    for path in (folder / ring / "v.mp4", folder / "mug" / f"{cup}.mp4"):
        path.write_bytes(video_bytes(5))
    crawl(workspace, params(folder))
    check_catalog(workspace)
    catalog = read_catalog(workspace.data)
    assert (list(catalog), catalog["bom"].title) == (["JEWE001", "bom", "mug"], "Cup")
    reasons = {reject.item: reject.reason for reject in rejects(workspace)}
    assert reasons["mug/pipe.mp4"] == "not_a_file"
    before = tree(workspace)
    crawl(workspace, params(folder))
    assert tree(workspace) == before
    assert reasons["戒指".encode("gbk").decode("utf-8", "backslashreplace")] == "bad_name"
    assert reasons["mug/\\xb1\\xad.mp4"] == "bad_name"


def test_a_product_whose_details_are_broken_later_stays(folder: Path, workspace: Workspace) -> None:
    crawl(workspace, params(folder))
    before = tree(workspace)
    (folder / "ring 1" / "product.json").write_text("{oops")
    assert crawl(workspace, params(folder)).num_dropped == 0
    assert {name: data for name, data in tree(workspace).items() if name != "rejects.jsonl"} == {
        name: data for name, data in before.items() if name != "rejects.jsonl"
    }
    assert ("ring 1/product.json", "JEWE001", True) in {
        (reject.item, reject.product_id, reject.failed) for reject in rejects(workspace)
    }


def test_what_cannot_be_read_costs_neither_the_product_nor_its_file(folder: Path, workspace: Workspace) -> None:
    crawl(workspace, params(folder))
    before = {name: data for name, data in tree(workspace).items() if name != "rejects.jsonl"}
    for name in ("ring 1/orbit.mov", "mug/v.mp4", "ring 1/photos/front.jpg"):
        (folder / name).unlink()
        (folder / name).symlink_to("gone")  # as on a share that lost a disk
    summary = crawl(workspace, params(folder))
    assert (summary.num_unchanged, summary.num_dropped) == (2, 0)
    assert {name: data for name, data in tree(workspace).items() if name != "rejects.jsonl"} == before
    failed = {reject.item for reject in rejects(workspace) if reject.failed}
    assert failed == {"ring 1/orbit.mov", "mug/v.mp4", "ring 1/photos/front.jpg"}


def test_more_than_the_brake_allows_are_dropped_only_when_told_so(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("many")
    write(folder, {f"P{number}/v.mp4": video_bytes(number) for number in range(6)})
    crawl(workspace, params(folder))
    before = tree(workspace)
    for number in range(3):
        shutil.rmtree(folder / f"P{number}")
    write(folder, {"P6/v.mp4": video_bytes(6)})
    with pytest.raises(FailureBudgetError, match=r"3 products \(P0, P1, P2\) are no longer offered") as caught:
        crawl(workspace, params(folder))
    assert "--max-dropped 1" in (caught.value.hint or "")
    assert tree(workspace).items() >= before.items()
    assert list(read_catalog(workspace.data)) == [f"P{number}" for number in range(7)]  # and what is new is there
    assert crawl(workspace, params(folder, max_dropped_fraction=1.0)).num_dropped == 3
    assert list(read_catalog(workspace.data)) == [f"P{number}" for number in range(3, 7)]
    check_catalog(workspace)


def test_a_missing_or_empty_folder_is_an_error(workspace: Workspace, tmp_path: Path) -> None:
    for start in (tmp_path / "nowhere", tmp_path):
        (tmp_path / ".pvtt").mkdir(exist_ok=True)
        with pytest.raises(MissingInputError, match=r"crawl\.start"):
            crawl(workspace, params(start))
