"""robots.txt and requests to wait, over real HTTP: each case is a host of its own, all in one crawl of a feed."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from pvtt.crawl import CrawlSummary, crawl
from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import Reject, read_catalog
from tests.crawl.checks import rejects, tree
from tests.crawl.site import Page, Site, photo_bytes, serving, video_bytes

FORBIDDEN = b"User-agent: *\nDisallow: /\n"
ROBOTS = "/robots.txt"
VIDEO = "/v.mp4"
PHOTO = "/p.jpg"


def to(location: str) -> Page:
    return Page(b"", 302, {"Location": location}, validators=False)


def chain(length: int, end: Page) -> dict[str, Page]:
    """robots.txt behind so many redirects."""
    pages = {f"/r{number}": to(f"/r{number + 1}") for number in range(1, length)}
    return {**pages, ROBOTS: to("/r1"), f"/r{length}": end}


def packed(body: bytes) -> Page:
    return Page(body, headers={"Content-Encoding": "gzip"})


def text(body: str) -> dict[str, Page]:
    return {ROBOTS: Page(body.encode())}


OWN = "User-agent: *\nDisallow:\n\n"
ALLOWED: dict[str, dict[str, Page]] = {
    "missing": {},
    "unauthorised": {ROBOTS: Page(FORBIDDEN, 401)},
    "refused": {ROBOTS: Page(FORBIDDEN, 403)},
    "gone": {ROBOTS: Page(FORBIDDEN, 410)},
    "empty": text(""),
    "html": text("<!doctype html><title>Disallow: /</title>"),
    "redirect to nothing": {ROBOTS: to("/none")},
    "five redirects": chain(5, Page(b"User-agent: *\nAllow: /\n")),
    "of another robot": text("User-agent: pvttbot\nDisallow: /\n"),
    "endless comment": {ROBOTS: Page(b"#" * 4096 + b"\n", endless=True)},
    "longer rule": text("User-agent: pvtt\nDisallow: /\nAllow: /v\nAllow: /p"),
}
BY_RULE: dict[str, dict[str, Page]] = {
    "all": text("User-agent: *\nDisallow: /\n"),
    "our version": text(f"{OWN}User-agent: PVTT/0.1\nDisallow: /\n"),
    "foreign line": text(f"{OWN}User-agent: pvtt\nSitemap: /s\nUser-agent: x\nDisallow: /\n"),
    "behind redirects": chain(5, Page(FORBIDDEN)),
    "gzip": {ROBOTS: packed(gzip.compress(FORBIDDEN))},
    "utf-16": {ROBOTS: Page(FORBIDDEN.decode().encode("utf-16"))},
    "endless": {ROBOTS: Page(FORBIDDEN, endless=True)},
    "elsewhere": {ROBOTS: to("ELSEWHERErobots.txt")},
    "as an image": {ROBOTS: Page(FORBIDDEN, headers={"Content-Type": "image/png"})},
}
UNREACHABLE: dict[str, tuple[dict[str, Page], str]] = {
    "error": ({ROBOTS: Page(b"", 500)}, "status 500"),
    "redirect to an error": ({ROBOTS: to("/e"), "/e": Page(b"", 502)}, "redirected to .*/e.*status 502"),
    "six redirects": (chain(6, Page(b"")), "max redirections reached"),
    "loop": ({ROBOTS: to(ROBOTS)}, "max redirections reached"),
    "off the list": ({ROBOTS: to("OFFSITErobots.txt")}, "redirected to .*not in crawl.allowed_hosts"),
    "to this network": ({ROBOTS: to("http://169.254.169.254/")}, "169.254.169.254:80 is not in crawl.allowed_hosts"),
    "to a dead host": ({ROBOTS: to("CLOSEDx")}, "redirected to .*connection was refused"),
    "to nowhere": ({ROBOTS: Page(b"", 302)}, "status 302"),
    "closed": ({ROBOTS: Page(b"", raw=b"")}, "cannot be read"),
    "another protocol": ({ROBOTS: Page(b"", raw=b"SSH-2.0-OpenSSH_9.6\r\n")}, "cannot be read"),
    "cut off": ({ROBOTS: Page(b"User-agent: *\n", missing_bytes=50)}, "broke before"),
    "cut chunk": (
        {ROBOTS: Page(b"", raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nUser-agent: *\n")},
        "broke before",
    ),
    "not gzip": ({ROBOTS: packed(b"User-agent: *\nDisallow:\n")}, "not the gzip"),
    "cut gzip": ({ROBOTS: packed(gzip.compress(b"User-agent: *\nDisallow:\n")[:-8])}, "gzip body is cut off"),
    "not text": ({ROBOTS: Page(b"PK\x03\x04\x00\x00")}, "not text"),
    "not modified": ({ROBOTS: Page(b"", 304)}, "status 304"),
    "busy": ({ROBOTS: Page(b"", 503, {"Retry-After": "86400"})}, "Retry-After: 86400 s"),
    "too many": ({ROBOTS: Page(b"", 429, {"Retry-After": "0"})}, "status 429 3 times"),
}
WAITS: dict[str, dict[str, Page]] = {
    "once": {VIDEO: Page(b"", 429, {"Retry-After": "1"})},
    "always": {VIDEO: Page(b"", 429, {"Retry-After": "0"})},
    "a day": {VIDEO: Page(b"", 429, {"Retry-After": "86400"}), **text("User-agent: *\nCrawl-delay: 1\n")},
    "to a date": {VIDEO: Page(b"", 503, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"})},
    "to a date gone by": {VIDEO: Page(b"", 503, {"Retry-After": "Fri, 01 Jan 2021 00:00:00 GMT"})},
    "crawl delay": text("User-agent: *\nCrawl-delay: 0.5\n"),
    "endless crawl delay": text("User-agent: *\nCrawl-delay: 86400\n"),
}


@dataclass
class Crawled:
    sites: dict[str, Site]
    offsite: Site
    summary: CrawlSummary
    products: set[str]
    rows: dict[str, list[Reject]]


def once(site: Site) -> Callable[[str], None]:
    def answer_well_next_time(path: str) -> None:
        if (VIDEO, 429) in site.requests:
            site.add(VIDEO, video_bytes(7))

    return answer_well_next_time


def photo_comes_last(site: Site) -> Callable[[str], None]:
    """The film's answer, which asks to wait, comes between a photo's request and its answer."""

    def keep_order(path: str) -> None:
        end = time.monotonic() + 20
        if path == VIDEO:
            while not photo_asked.is_set() and time.monotonic() < end:
                time.sleep(0.01)
        elif path == PHOTO:
            photo_asked.set()
            while (VIDEO, 429) not in site.requests and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(0.2)

    photo_asked = threading.Event()
    return keep_order


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crawled]:
    workspace = Workspace(tmp_path_factory.mktemp("manners"))
    cases = {**ALLOWED, **BY_RULE, **{name: pages for name, (pages, _) in UNREACHABLE.items()}, **WAITS}
    with ExitStack() as stack:
        sites = {name: stack.enter_context(serving(Site())) for name in cases}
        elsewhere, offsite = (stack.enter_context(serving(Site())) for _ in range(2))
        elsewhere.add(ROBOTS, FORBIDDEN)
        with serving(Site()) as closed:
            pass
        places = {"ELSEWHERE": elsewhere.url, "OFFSITE": offsite.url, "CLOSED": closed.url}
        rows = []
        for number, (name, pages) in enumerate(cases.items()):
            site = sites[name]
            photos = [PHOTO]
            site.add(VIDEO, video_bytes(1000 + number))
            site.add(PHOTO, photo_bytes(2000 + number))
            if name == "crawl delay":
                photos = [f"/{n}.jpg" for n in range(3)]
                for n, photo in enumerate(photos):
                    site.add(photo, photo_bytes(3000 + n))
            elif name == "a day":
                photos = [PHOTO, "/later.jpg"]  # the second one's turn is when the host has asked to wait
            elif name == "endless crawl delay":
                photos = []
            for path, page in pages.items():
                location = page.headers.get("Location", "")
                for word, url in places.items():
                    location = location.replace(word, url)
                page.headers |= {"Location": location} if location else {}
                site.pages[path] = page
            product_id = name.replace(" ", "-")
            media = {"videos": [site.url + VIDEO[1:]], "photos": [site.url + photo[1:] for photo in photos]}
            rows.append(json.dumps({"product_id": product_id, "title": name, **media}))
        sites["once"].before = once(sites["once"])
        sites["a day"].before = photo_comes_last(sites["a day"])
        feed = workspace.root / "feed.jsonl"
        feed.write_text("\n".join(rows))
        hosts = [f"127.0.0.1:{site.port}" for site in (*sites.values(), elsewhere, closed)]
        params = {"source": "feed", "start": str(feed), "allowed_hosts": hosts, "allow_loopback": True, "delay_s": 0}
        summary = crawl(
            workspace,
            CrawlParams.model_validate_json(json.dumps({**params, "concurrency": 32, "max_failed_fraction": 1})),
        )
        found: dict[str, list[Reject]] = {}
        for row in rejects(workspace):
            found.setdefault(str(row.product_id), []).append(row)
        yield Crawled(sites, offsite, summary, set(read_catalog(workspace.data)), found)


def asked(crawled: Crawled, name: str) -> list[str]:
    return [path for path, _ in crawled.sites[name].requests]


@pytest.mark.parametrize("name", ALLOWED)
def test_what_robots_txt_allows_is_fetched(name: str, crawled: Crawled) -> None:
    assert name.replace(" ", "-") in crawled.products
    assert asked(crawled, name)[0] == ROBOTS


@pytest.mark.parametrize("name", BY_RULE)
def test_what_a_rule_forbids_is_not_asked_for(name: str, crawled: Crawled) -> None:
    rows = crawled.rows[name.replace(" ", "-")]
    assert [(row.reason, row.failed) for row in rows] == [("robots_forbidden", False)] * 2
    assert {row.message for row in rows} == {"the site's robots.txt forbids it"}
    assert not {VIDEO, PHOTO} & set(asked(crawled, name))


@pytest.mark.parametrize("name", UNREACHABLE)
def test_a_robots_txt_that_cannot_be_had_forbids_for_now(name: str, crawled: Crawled) -> None:
    rows = crawled.rows[name.replace(" ", "-")]
    assert [(row.reason, row.failed) for row in rows] == [("robots_forbidden", True)] * 2
    for row in rows:
        assert row.message.startswith(f"{crawled.sites[name].url}robots.txt cannot be read")
        assert re.search(UNREACHABLE[name][1], row.message), row.message
    assert not {VIDEO, PHOTO} & set(asked(crawled, name))
    assert asked(crawled, name).count(ROBOTS) <= (6 if name == "loop" else 3)


def test_hosts_off_the_list_are_not_asked_even_for_robots_txt(crawled: Crawled) -> None:
    assert crawled.offsite.requests == []


def test_a_host_that_asks_to_wait_is_waited_for(crawled: Crawled) -> None:
    site = crawled.sites["once"]
    assert "once" in crawled.products
    times = [time for (path, _), time in zip(site.requests, site.times, strict=True) if path == VIDEO]
    assert len(times) == 2
    assert times[1] - times[0] >= 0.9
    assert "once" not in crawled.rows


@pytest.mark.parametrize(
    ("name", "num_asked", "words"),
    [
        ("always", 3, "status 429 3 times"),
        ("to a date gone by", 3, "status 503 3 times"),
        ("a day", 1, "Retry-After: 86400 s"),
        ("to a date", 1, "status 503, Retry-After"),
    ],
)
def test_a_host_that_asks_for_too_much_is_a_named_reject(
    name: str, num_asked: int, words: str, crawled: Crawled
) -> None:
    product_id = name.replace(" ", "-")
    assert asked(crawled, name).count(VIDEO) == num_asked
    video = next(row for row in crawled.rows[product_id] if row.item.endswith(VIDEO))
    assert (video.reason, video.failed) == ("rate_limited", True)
    assert words in video.message
    assert "crawl again later" in video.message


def test_crawl_delay_is_kept(crawled: Crawled) -> None:
    site = crawled.sites["crawl delay"]
    assert "crawl-delay" in crawled.products
    times = [time for (path, _), time in zip(site.requests, site.times, strict=True) if path != ROBOTS]
    assert len(times) == 4
    assert times[-1] - times[0] >= 1.3


def test_a_crawl_delay_beyond_the_cap_is_cut_and_noted(crawled: Crawled) -> None:
    site = crawled.sites["endless crawl delay"]
    assert (
        f"127.0.0.1:{site.port} asks for 86400 s between requests (Crawl-delay): taken as 30 s" in crawled.summary.notes
    )
    assert "endless-crawl-delay" in crawled.products
    assert not crawled.summary.complete


def test_dead_links_are_neither_failures_nor_rows_and_a_dead_shop_costs_nothing(
    site: Site, workspace: Workspace
) -> None:
    site.add_product("A1", 1)
    site.add_product("A2", 2)
    dead = [f"/dead/{number}" for number in range(40)]
    site.add("/dead/7", b"", status=410)
    site.add_index("/products/A1.html", "/products/A2.html", *dead)
    summary = crawl(workspace, site.params(max_failed_fraction=0))
    assert (summary.complete, summary.num_products, summary.rejects) == (True, 2, {})

    del site.pages["/products/A2.html"]  # it is linked as before
    summary = crawl(workspace, site.params(max_failed_fraction=0))
    assert (summary.num_dropped, summary.rejects) == (1, {})
    assert list(read_catalog(workspace.data)) == ["A1"]

    before = tree(workspace)
    site.add(ROBOTS, b"", raw=b"")
    with pytest.raises(PvttError, match=r"robots_forbidden: .*cannot be read, which forbids the site") as caught:
        crawl(workspace, site.params())
    assert "crawl again later" in (caught.value.hint or "")
    assert tree(workspace) == before
