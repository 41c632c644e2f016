"""What a person took out of `data/` stays out, through every crawl, until it is let in again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.crawl import crawl
from pvtt.crawl.forget import forget, reject_files, restore
from pvtt.errors import LockedError, MissingInputError, PvttError, StorageError
from pvtt.files.atomic import remove
from pvtt.files.lock import hold_lock
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import read_catalog
from pvtt.records.tombstones import read_tombstones
from tests.crawl.checks import check_catalog, rejects, tree, tree_without_times
from tests.crawl.site import Site, photo_bytes, video_bytes

NAMES = ("A1", "A2", "A3", "A4")


@pytest.fixture
def shop(site: Site) -> Site:
    for number, name in enumerate(NAMES):
        site.add_product(name, number)
    site.add_index(*(f"/products/{name}.html" for name in NAMES))
    return site


def write_folder(folder: Path) -> CrawlParams:
    for name, seed in (("ring", 1), ("mug", 2)):
        media = {"v.mp4": video_bytes(seed), "w.mp4": video_bytes(seed + 10), "front.jpg": photo_bytes(seed)}
        for file, content in (media | {"chart.jpg": photo_bytes(99)}).items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / file).write_bytes(content)
    return CrawlParams(source="folder", start=str(folder), max_failed_fraction=1.0)


def test_no_crawl_brings_a_product_back_or_asks_for_its_media(shop: Site, workspace: Workspace) -> None:
    crawl(workspace, shop.params())
    before = tree_without_times(workspace)
    (tombstone,) = forget(workspace, ["A2"], "the owner asked")
    assert (tombstone.product_id, tombstone.page_url) == ("A2", f"{shop.url}products/A2.html")
    assert len(tombstone.sha256s) == 3
    check_catalog(workspace)
    assert list(read_catalog(workspace.data)) == ["A1", "A3", "A4"]

    shop.requests.clear()
    summary = crawl(workspace, shop.params())
    check_catalog(workspace)
    assert (summary.num_unchanged, summary.num_dropped, summary.num_products) == (3, 0, 3)
    assert not [path for path in shop.fetched() if path.startswith("/media/A2")]
    (row,) = rejects(workspace)
    assert (row.product_id, row.reason, row.failed) == ("A2", "forgotten", False)
    assert "the owner asked" in row.message
    assert "pvtt data restore A2" in row.message

    after = {name: content for name, content in tree_without_times(workspace).items() if "/A" in name}
    assert after == {name: content for name, content in before.items() if "/A" in name and "/A2" not in name}
    settled = tree(workspace)
    crawl(workspace, shop.params())
    assert tree(workspace) == settled


def test_what_is_let_in_again_comes_with_the_next_crawl(shop: Site, workspace: Workspace) -> None:
    crawl(workspace, shop.params())
    before = tree_without_times(workspace)
    forget(workspace, ["A2", "A3"], "by mistake")
    crawl(workspace, shop.params())
    assert [one.name for one in restore(workspace, ["A3", "A2"])] == ["A2", "A3"]
    assert crawl(workspace, shop.params()).num_new == 2
    assert tree_without_times(workspace) == before  # no file of tombstones either


def test_of_most_products_the_brake_says_nothing(shop: Site, workspace: Workspace) -> None:
    crawl(workspace, shop.params())
    forget(workspace, NAMES[1:], "a category less")
    assert crawl(workspace, shop.params()).num_products == 1


def test_under_another_page_or_with_another_id_it_stays_out(shop: Site, workspace: Workspace) -> None:
    crawl(workspace, shop.params())
    forget(workspace, ["A2"], "asked to")
    shop.add_html("/p/second.html", shop.pages["/products/A2.html"].body.decode())  # the same id
    renamed = shop.pages["/products/A2.html"].body.decode().replace('"sku": "A2"', '"sku": "B9"')
    shop.add_html("/products/A2.html", renamed, validators=False)  # the same page
    films = shop.pages["/products/A2.html"].body.decode().replace("B9", "C7")  # and another's with its film
    shop.add_html("/products/C7.html", films)
    shop.add_index(*(f"/products/{name}.html" for name in (*NAMES, "C7")), "/p/second.html")
    crawl(workspace, shop.params())
    assert list(read_catalog(workspace.data)) == ["A1", "A3", "A4"]
    assert {row.reason for row in rejects(workspace)} <= {"forgotten", "duplicate_product"}
    assert {row.product_id for row in rejects(workspace)} == {"A2", "B9", "C7"}


def test_what_another_product_has_too_stays_that_products(tmp_path: Path, workspace: Workspace) -> None:
    params = write_folder(tmp_path / "mine")
    crawl(workspace, params)
    forget(workspace, ["mug"], "asked to")
    crawl(workspace, params)
    check_catalog(workspace)
    assert [medium.url for medium in read_catalog(workspace.data)["ring"].photos] == [
        "ring/chart.jpg",
        "ring/front.jpg",
    ]


def test_a_single_file_goes_and_stays_away(tmp_path: Path, workspace: Workspace) -> None:
    params = write_folder(tmp_path / "mine")
    crawl(workspace, params)
    before = tree_without_times(workspace)
    photo = next(medium for medium in read_catalog(workspace.data)["ring"].photos if medium.url == "ring/front.jpg")
    reject_files(workspace, [f"data/{photo.path}"], "a hand in the picture")
    check_catalog(workspace)
    crawl(workspace, params)
    check_catalog(workspace)
    assert [medium.url for medium in read_catalog(workspace.data)["ring"].photos] == ["ring/chart.jpg"]
    assert [(row.item, row.reason) for row in rejects(workspace)] == [("ring/front.jpg", "forgotten")]
    restore(workspace, [photo.path])
    crawl(workspace, params)
    assert tree_without_times(workspace) == before


def test_a_product_keeps_a_video_or_goes_whole(tmp_path: Path, workspace: Workspace) -> None:
    crawl(workspace, write_folder(tmp_path / "mine"))
    before = tree(workspace)
    films = [medium.path for medium in read_catalog(workspace.data)["ring"].videos]
    with pytest.raises(PvttError, match="ring would be left without a video") as error:
        reject_files(workspace, films, "dark")
    assert error.value.hint == "take out the whole product: pvtt data forget ring"
    assert tree(workspace) == before
    reject_files(workspace, films[:1], "dark")
    check_catalog(workspace)


@pytest.mark.parametrize("step", ["before anything is removed", "before the record is written"])
def test_what_a_kill_left_goes_with_the_next_crawl(step: str, tmp_path: Path, workspace: Workspace) -> None:
    params = write_folder(tmp_path / "mine")
    crawl(workspace, params)
    held = tree(workspace)
    if step == "before anything is removed":
        forget(workspace, ["mug"], "asked to")
    else:
        reject_files(workspace, [read_catalog(workspace.data)["mug"].photos[0].path], "dark")
    crawl(workspace, params)
    ended = tree(workspace)
    for name, content in held.items():  # all but the tombstones is as it was
        (workspace.data / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.data / name).write_bytes(content)
    crawl(workspace, params)
    assert tree(workspace).keys() == ended.keys()
    check_catalog(workspace)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda workspace: forget(workspace, ["mug", "rinq"], "x"), "no product rinq"),
        (lambda workspace: reject_files(workspace, ["products/ring/media/no.jpg"], "x"), "has the file products/ring"),
        (lambda workspace: reject_files(workspace, ["../mine/ring/v.mp4"], "x"), "has the file"),
        (lambda workspace: restore(workspace, ["mug"]), "mug was not taken out"),
    ],
)
def test_a_name_that_is_none_changes_nothing(call, message: str, tmp_path: Path, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    crawl(workspace, write_folder(tmp_path / "mine"))
    before = tree(workspace)
    with pytest.raises(MissingInputError, match=message):
        call(workspace)
    assert tree(workspace) == before


def test_a_damaged_line_stops_a_crawl_before_it_lets_anything_in(tmp_path: Path, workspace: Workspace) -> None:
    params = write_folder(tmp_path / "mine")
    crawl(workspace, params)
    forget(workspace, ["mug"], "asked to")
    file = workspace.data / "tombstones.jsonl"
    file.write_text(file.read_text()[:-9])
    before = tree(workspace)
    with pytest.raises(PvttError, match=r"tombstones.jsonl:1: not a Tombstone") as error:
        crawl(workspace, params)
    assert "forgotten products come back" in (error.value.hint or "")
    assert tree(workspace) == before


def test_beside_a_crawl_it_waits_for_nothing_and_changes_nothing(tmp_path: Path, workspace: Workspace) -> None:
    crawl(workspace, write_folder(tmp_path / "mine"))
    before = tree(workspace)
    with hold_lock(workspace.state / "crawl.lock", "pvtt crawl"), pytest.raises(LockedError):
        forget(workspace, ["mug"], "asked to")
    assert tree(workspace) == before


def test_a_disk_that_fails_is_told_and_the_same_again_ends_the_work(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl(workspace, write_folder(tmp_path / "mine"))

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("pvtt.crawl.forget.remove", full)
        with pytest.raises(StorageError):
            forget(workspace, ["mug"], "asked to")
    assert [one.name for one in read_tombstones(workspace.data)] == ["mug"]
    forget(workspace, ["mug"], "asked to")
    assert [one.name for one in read_tombstones(workspace.data)] == ["mug"]
    check_catalog(workspace)


def test_a_file_that_two_products_have_goes_from_one(tmp_path: Path, workspace: Workspace) -> None:
    params = write_folder(tmp_path / "mine")
    crawl(workspace, params)
    chart = next(medium for medium in read_catalog(workspace.data)["ring"].photos if medium.url == "ring/chart.jpg")
    reject_files(workspace, [chart.path], "a table,\n not the ring")
    assert [one.reason for one in read_tombstones(workspace.data)] == ["a table, not the ring"]
    crawl(workspace, params)
    check_catalog(workspace)
    photos = {name: [medium.url for medium in product.photos] for name, product in read_catalog(workspace.data).items()}
    assert photos == {"mug": ["mug/chart.jpg", "mug/front.jpg"], "ring": ["ring/front.jpg"]}


@pytest.mark.parametrize("num_removed", [0, 1])
def test_the_same_call_ends_what_a_kill_began(
    num_removed: int, tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawl(workspace, write_folder(tmp_path / "mine"))
    catalog = read_catalog(workspace.data)
    films = [catalog[name].videos[0].path for name in ("mug", "ring")]
    calls = (lambda: reject_files(workspace, films, "x"), lambda: forget(workspace, ["mug", "ring"], "x"))
    for call in calls:
        left = [num_removed]

        def killed(path: Path, left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            remove(path)

        with monkeypatch.context() as patch:
            patch.setattr("pvtt.crawl.forget.remove", killed)
            with pytest.raises(KeyboardInterrupt):
                call()
        call()
        check_catalog(workspace)
    assert list(read_catalog(workspace.data)) == []
