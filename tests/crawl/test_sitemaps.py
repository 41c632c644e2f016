"""Pages that no link leads to are found by sitemaps, and a hostile sitemap costs nothing."""

from __future__ import annotations

import gzip
import json

import pytest

from pvtt.crawl import crawl, sitemaps
from pvtt.crawl.sitemaps import read_sitemap
from pvtt.files.workspace import Workspace
from pvtt.items.runner import ItemRejectedError
from pvtt.records.catalog import read_catalog
from tests.crawl.site import Site, serving

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
URL = "https://shop.example/sitemap.xml"
BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(12)
)


def urlset(*urls: str, before: str = "") -> str:
    entries = "".join(f"<url><loc> {url} </loc><lastmod>2026-01-05</lastmod></url>" for url in urls)
    return f"{XML}{before}<urlset {NAMESPACE}>{entries}</urlset>"


def index(*urls: str) -> str:
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"{XML}<sitemapindex {NAMESPACE}>{entries}</sitemapindex>"


def is_whole(text: str) -> bool:
    return read_sitemap(text.encode(), URL, ())[0].problem is None


def read(text: str, sites: tuple[str, ...] = ("shop.example",)) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    record, num_outside = read_sitemap(text.encode(), URL, sites)
    return record.links, record.sitemaps, num_outside


def test_pages_of_the_site_count_once_and_others_do_not() -> None:
    links = (
        "/a?b=1&amp;a=2",
        "https://shop.example/a?a=2&amp;b=1",
        "https://other.example/a",
        "https://shop.example/1.jpg",
    )
    assert read(urlset(*links, "ftp://shop.example/a", "", "http://[", "javascript:x")) == (
        ("https://shop.example/a?a=2&b=1",),
        (),
        1,
    )


def test_an_index_names_sitemaps_of_any_host() -> None:
    assert read(index("/1.xml", "https://cdn.example/2.xml.gz")) == (
        (),
        ("https://shop.example/1.xml", "https://cdn.example/2.xml.gz"),
        0,
    )


@pytest.mark.parametrize("text", ["", "<html><body>not found</body></html>", '{"urlset": 1}', "\x00" * 100])
def test_what_is_no_sitemap_is_a_reject(text: str) -> None:
    with pytest.raises(ItemRejectedError) as error:
        read(text)
    assert error.value.reason == "bad_sitemap"


@pytest.mark.parametrize(
    "text",
    [
        urlset("https://shop.example/&m;", "https://shop.example/a", before=f"{BOMB}]>"),
        urlset(
            "https://shop.example/&e;",
            "https://shop.example/a",
            before='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        ),
        urlset("https://shop.example/a", before='<!DOCTYPE x SYSTEM "http://169.254.169.254/x.dtd">'),
        urlset("https://shop.example/a", "https://shop.example/half-of-it")[: -len("f-of-it </loc></url></urlset>")],
        urlset("https://shop.example/a").replace("</urlset>", "<url>" * 100_000),
    ],
    ids=["bomb", "file", "remote DTD", "cut", "nested"],
)
def test_hostile_xml_expands_and_loads_nothing(text: str) -> None:
    links, maps, _ = read(text)
    assert maps == ()
    assert BOMB in text or "https://shop.example/a" in links
    assert all(len(link) < 100 and "root:" not in link for link in links)


def test_what_is_not_well_formed_says_so() -> None:
    whole = urlset("https://shop.example/a?b=1&amp;c=2", "https://shop.example/b")
    assert is_whole(whole)
    assert is_whole(index("https://shop.example/a.xml"))
    assert not is_whole(whole[:-20])
    assert not is_whole(whole.replace("&amp;", "&"))
    assert read(whole.replace("&amp;", "&"))[0][-1] == "https://shop.example/b"
    assert not is_whole(urlset("https://shop.example/&m;", before=f"{BOMB}]>"))


def test_no_more_entries_count_than_the_protocol_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sitemaps.MAX_ENTRIES == 50_000
    monkeypatch.setattr(sitemaps, "MAX_ENTRIES", 100)
    links, _, _ = read(urlset(*(f"https://shop.example/{number}" for number in range(200))))
    assert len(links) == 100


def reasons(workspace: Workspace) -> dict[str, str]:
    rows = map(json.loads, (workspace.data / "rejects.jsonl").read_text().splitlines())
    return {row["item"]: row["reason"] for row in rows}


def paths(site: Site) -> list[str]:
    return [path for path, _ in site.requests]


def test_a_shop_whose_products_no_link_leads_to(site: Site, workspace: Workspace) -> None:
    """By robots.txt, an index that names itself, gzip, and the usual place; less what robots.txt forbids."""
    for number, product_id in enumerate(("linked", "gz", "usual", "hidden"), 1):
        site.add_product(product_id, seed=number, photos=0)
    site.add_index("/products/linked.html")
    with serving(Site()) as elsewhere:
        robots = f"Sitemap: {site.url}maps/index.xml\nUser-agent: *\nDisallow: /products/hidden\nDisallow: /maps/no\n"
        site.add("/robots.txt", f"{robots}sitemap: http://169.254.169.254/latest.xml\n")
        others = [
            f"http://127.0.0.1:{elsewhere.port}/maps/foreign.xml",
            "http://10.0.0.1/m.xml",
            f"{site.url}maps/no.xml",
        ]
        own = [f"{site.url}maps/{name}" for name in ("index.xml", "broken.xml", "1.xml.gz", "bomb.xml.gz")]
        site.add("/maps/index.xml", index(*own, *others))
        blank = f"{XML}<urlset {NAMESPACE}>".encode() + b" " * 60_000_000
        site.add("/maps/bomb.xml.gz", gzip.compress(blank, 9))
        site.add("/maps/broken.xml", "<html><body>soon</body></html>")
        packed = gzip.compress(
            urlset(f"{site.url}products/gz.html", f"{elsewhere.url}a.html", f"{site.url}products/hidden.html").encode()
        )
        site.add("/maps/1.xml.gz", packed, headers={"Content-Type": "application/x-gzip"})
        site.add("/sitemap.xml", urlset(f"{site.url}products/usual.html", f"{site.url}products/linked.html"))
        summary = crawl(workspace, site.params())
        assert elsewhere.requests == []
    assert set(read_catalog(workspace.data)) == {"linked", "gz", "usual"}
    found = reasons(workspace)
    assert found == {
        f"{site.url}products/hidden.html": "robots_forbidden",
        f"{site.url}maps/no.xml": "robots_forbidden",
        f"{site.url}maps/broken.xml": "bad_sitemap",
        f"{site.url}maps/bomb.xml.gz": "too_large",
        "http://169.254.169.254/latest.xml": "forbidden_host",
        **dict.fromkeys(others[:2], "forbidden_host"),
    }
    assert paths(site).count("/maps/index.xml") == 1
    assert paths(site).count("/products/linked.html") == 1
    assert "1 pages that sitemaps name are of other sites: passed over" in summary.notes
    assert summary.complete

    site.requests.clear()
    again = crawl(workspace, site.params())
    assert (again.num_unchanged, again.num_dropped) == (3, 0)
    assert ("/maps/1.xml.gz", 304) in site.requests

    del site.pages["/maps/index.xml"]  # the source's word that it has no such list any more
    site.add("/sitemap.xml", b"", status=500)  # a fault that passes
    faulty = crawl(workspace, site.params())
    assert not faulty.complete
    assert set(read_catalog(workspace.data)) == {"linked", "gz", "usual"}


@pytest.mark.parametrize("status", [500, 200])
def test_nobody_has_to_have_one(site: Site, workspace: Workspace, status: int) -> None:
    site.add("/sitemap.xml", "<html><body>Welcome</body></html>", status=status)
    site.add_product("linked", seed=1, photos=0)
    site.add_index("/products/linked.html")
    summary = crawl(workspace, site.params())
    assert (summary.complete, summary.rejects) == (True, {})


def test_a_shop_that_moves_to_another_name_is_one_site(site: Site, workspace: Workspace) -> None:
    """As `shop.example` does to `www.shop.example`."""
    home = f"http://localhost:{site.port}/"
    site.add_product("linked", seed=1, photos=0)
    site.add_product("listed", seed=2, photos=0)
    site.add_html("/home", '<a href="/products/linked.html">x</a>')
    site.add("/", b"", status=301, headers={"Location": f"{home}home"})
    site.add("/sitemap.xml", urlset(f"{home}products/listed.html"))
    crawl(workspace, site.params(allowed_hosts=["127.0.0.1", "localhost"]))
    assert set(read_catalog(workspace.data)) == {"linked", "listed"}
