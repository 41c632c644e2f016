from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pvtt.crawl import crawl
from pvtt.crawl.feed import read_feed
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import read_catalog
from tests.crawl.checks import check_catalog, rejects, tree
from tests.crawl.site import Site, photo_bytes, video_bytes
from tests.crawl.test_folder import write

HEADER = "product_id,title,category,videos,photos\n"


def test_a_feed_of_urls_and_paths(site: Site, workspace: Workspace, tmp_path: Path) -> None:
    site.add("/1.mp4", video_bytes(1))
    site.add("/2.mp4", video_bytes(2))
    (tmp_path / "secret.jpg").write_bytes(photo_bytes(9))
    rows = [
        {"product_id": "A1", "title": "Ring", "category": "ring", "price": 3, "videos": [f"{site.url}1.mp4"],
         "photos": ["photos/1.jpg", "../secret.jpg", "/etc/passwd", "photos/none.jpg", "http://10.0.0.1/x.jpg"]},
        {"product_id": 17, "title": "Mug", "videos": [f"{site.url}2.mp4", "local.mp4", f"{site.url}none.mp4"]},
    ]  # fmt: skip
    feed = "\n".join(json.dumps(row) for row in rows)
    write(tmp_path / "feed", {"products.jsonl": feed, "photos/1.jpg": photo_bytes(1), "local.mp4": video_bytes(3)})
    host = f"127.0.0.1:{site.port}"
    params = site.params(source="feed", start="feed/products.jsonl", allowed_hosts=[host])
    summary = crawl(workspace, params)
    check_catalog(workspace)
    catalog = read_catalog(workspace.data)
    assert {name: (len(product.videos), len(product.photos)) for name, product in catalog.items()} == {
        "17": (2, 0),
        "A1": (1, 1),
    }
    assert (catalog["A1"].source, catalog["A1"].page_url) == ("feed", f"feed:{tmp_path}/feed/products.jsonl//A1")
    assert {reject.item: reject.reason for reject in rejects(workspace)} == {
        "../secret.jpg": "forbidden_path",
        "/etc/passwd": "forbidden_path",
        "photos/none.jpg": "missing_file",
        "http://10.0.0.1/x.jpg": "forbidden_host",
        f"{site.url}none.mp4": "http_error",
    }
    assert summary.num_downloads == 2

    before = tree(workspace)
    assert crawl(workspace, params).num_downloads == 0
    assert tree(workspace) == before


def test_csv_with_lists_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text(
        "\ufeff" + HEADER + 'A1,"Ring, gold",ring,1.mp4|2.mp4,\nA2,Mug,,3.mp4,a.jpg | b.jpg\n', encoding="utf-8"
    )
    (first, second), refused = read_feed(path)
    assert refused == []
    assert (first.title, [ref.url for ref in first.videos], first.photos) == ("Ring, gold", ["1.mp4", "2.mp4"], ())
    assert (second.category, [ref.url for ref in second.photos]) == ("uncategorised", ["a.jpg", "b.jpg"])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("f.jsonl", '\n\n{"product_id": "B"}\n', r":3: not a feed row: title"),
        ("f.jsonl", "{oops\n", r":1: not a feed row: not JSON"),
        ("f.jsonl", "[]\n", r":1: not a feed row"),
        ("f.jsonl", '{"product_id": "A", "title": "x", "videos": "1.mp4"}\n', r":1: not a feed row: videos"),
        ("f.csv", HEADER + "A,x,y\n", r":2: not a feed row: it has not 5 columns"),
        ("f.csv", HEADER + ",x,y,1.mp4,\n", r":2: not a feed row: product_id"),
        ("f.xml", "<feed/>", "a feed is a .jsonl or .csv file"),
    ],
)
def test_a_feed_without_a_good_row_is_an_error_that_names_the_first(
    name: str, text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PvttError, match=words):
        read_feed(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "item", "words"),
    [
        (
            "f.jsonl",
            '{"product_id": "A", "title": "x", "videos": []}\n\n{"product_id": "B"}\n',
            "f.jsonl:3",
            "title",
        ),
        ("f.csv", HEADER + "A,x,y,1.mp4,\nA,x,y,2.mp4,\n", "f.csv:3", "product_id: 'A' is on line 2 too"),
    ],
)
def test_a_bad_row_beside_a_good_one_is_named_by_its_line(
    name: str, text: str, item: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    (draft,), (refused,) = read_feed(tmp_path / name)
    assert (draft.product_id, refused.item) == ("A", item)
    assert refused.message.startswith(words)


def test_a_bad_row_is_a_reject_and_its_product_stays(workspace: Workspace, tmp_path: Path) -> None:
    rows = [{"product_id": f"A{number}", "title": "Ring", "videos": [f"{number}.mp4"]} for number in range(4)]
    write(tmp_path / "feed", {f"{number}.mp4": video_bytes(number) for number in range(4)})
    feed = tmp_path / "feed" / "products.jsonl"
    params = CrawlParams(source="feed", start=str(feed), max_failed_fraction=1.0)
    feed.write_text("\ufeff" + "\n".join(map(json.dumps, rows)), encoding="utf-8")
    crawl(workspace, params)
    before = tree(workspace)

    good = rows[0] | {"category": None, "description": None, "photos": None}
    bad: list[object] = [rows[1] | {"videos": "1.mp4"}, {"product_id": "A2"}, rows[0]]
    feed.write_text("\n".join(map(json.dumps, [good, *bad])) + "\n{oops\n")
    summary = crawl(workspace, params)
    assert {reject.item: (reject.product_id, reject.reason) for reject in rejects(workspace)} == {
        "products.jsonl:2": ("A1", "bad_row"),
        "products.jsonl:3": ("A2", "bad_row"),
        "products.jsonl:4": ("A0", "bad_row"),
        "products.jsonl:5": (None, "bad_row"),
    }
    assert (summary.complete, summary.num_dropped) == (False, 0)  # whose the last row is, nobody knows
    assert {name: data for name, data in tree(workspace).items() if name != "rejects.jsonl"} == {
        name: data for name, data in before.items() if name != "rejects.jsonl"
    }

    feed.write_text("\n".join(map(json.dumps, [good, *bad])))
    assert crawl(workspace, params).num_dropped == 1  # A3, of which no row speaks
    assert list(read_catalog(workspace.data)) == ["A0", "A1", "A2"]


def test_a_missing_feed_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(MissingInputError, match="there is no feed"):
        crawl(workspace, CrawlParams(source="feed", start="nowhere.csv"))


ROWS = [
    ["product_id", "title", "videos", "photos"],
    ["A1", "Ring; gold, fine", "1.mp4", "a.jpg"],
    ["B2", "Tasse", "2.mp4", ""],
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_feed_of_any_delimiter(delimiter: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(ROWS)
    drafts, refused = read_feed(path)
    assert refused == []
    assert [(draft.product_id, draft.title, len(draft.photos)) for draft in drafts] == [
        ("A1", "Ring; gold, fine", 1),
        ("B2", "Tasse", 0),
    ]


@pytest.mark.parametrize(
    ("encoding", "title"),
    [("gbk", "\u91d1\u6212\u6307"), ("gb18030", "\u91d1\u6212\u6307"), ("cp1252", "Caf\u00e9-Tasse")],
)
def test_a_feed_of_another_encoding(encoding: str, title: str, tmp_path: Path) -> None:
    for name, text in (
        ("f.csv", f"product_id,title,videos\nA1,{title},1.mp4\n"),
        ("f.jsonl", json.dumps({"product_id": "A1", "title": title, "videos": ["1.mp4"]}, ensure_ascii=False)),
    ):
        (tmp_path / name).write_bytes(text.encode(encoding))
        ((draft,), _) = read_feed(tmp_path / name)
        assert draft.title == title


def test_a_feed_may_have_names_of_its_own(tmp_path: Path) -> None:
    params = CrawlParams.model_validate_json(
        json.dumps({"columns": {"product_id": "ID", "title": "name", "videos": "clip", "photos": ["main", "more"]}})
    )
    table = tmp_path / "f.tsv"
    table.write_text("id\tName\tclip\tmain\tmore\tprice\nA1\tRing\t1.mp4\ta.jpg\tb.jpg|c.jpg\t3\n")
    lines = tmp_path / "f.jsonl"
    lines.write_text(
        json.dumps({"ID": 1, "name": "Ring", "clip": "1.mp4", "main": "a.jpg", "more": ["b.jpg", "c.jpg"]})
    )
    for path in (table, lines):
        ((draft,), refused) = read_feed(path, params.columns)
        assert refused == []
        assert draft.title == "Ring"
        assert [ref.url for _, ref in draft.refs()] == ["1.mp4", "a.jpg", "b.jpg", "c.jpg"]


def test_a_feed_whose_columns_are_not_ours_says_which_there_are(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("sku;name;videos\nA1;Ring;1.mp4\n")
    with pytest.raises(PvttError, match="no column is called product_id or title; its columns are sku, name, videos"):
        read_feed(path)


def test_a_broken_row_of_a_table_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text('product_id,title,videos\nA1,Ring,1.mp4\nA2,"Mug"x,2.mp4\nA3,"Two\nlines",3.mp4\nA4,Cup\n')
    drafts, refused = read_feed(path)
    assert [draft.product_id for draft in drafts] == ["A1", "A3"]
    assert [(one.item, one.product_id) for one in refused] == [("f.csv:3", None), ("f.csv:6", "A4")]


def test_a_misspelt_field_is_an_error() -> None:
    with pytest.raises(ValidationError, match="columns"):
        CrawlParams.model_validate_json('{"columns": {"video": "clip"}}')
