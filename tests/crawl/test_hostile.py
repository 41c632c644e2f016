"""A shop that does everything wrong, in one crawl over real HTTP: each page and file ends as a product or a reject."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import pytest

from pvtt.files.workspace import Workspace
from pvtt.records.catalog import Product, read_catalog
from tests.crawl.checks import check_catalog, rejects
from tests.crawl.site import Page, Site, photo_bytes, serving, video_bytes

MAX_CHILD_MB = 400  # peak resident memory of the crawler's process; measured: 198 with 8 requests at once
REBOUND = "rebound.test"  # resolves to this machine for its robots.txt, then into a private network
METADATA = "http://169.254.169.254/latest/meta-data/"

PROGRAM = """
import resource
import sys
from pathlib import Path

from pvtt.crawl import crawl
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams

crawl(Workspace(Path(sys.argv[1])), CrawlParams.from_json(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""

# Loaded by every Python of the crawl: writes down where sockets connect to, and plays a name server that lies.
SITE_CUSTOMISATION = f"""
import os, socket, sys

names = os.environ["SEEN_CONNECTIONS"]
asked = []
real = socket.getaddrinfo

def write(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        with open(names, "a") as file:
            file.write(f"{{arguments[1][0]}}:{{arguments[1][1]}}\\n")

def getaddrinfo(host, *arguments, **options):
    if host in ({REBOUND!r}, {REBOUND.encode()!r}):
        asked.append(host)
        host = "127.0.0.1" if len(asked) == 1 else "10.255.255.1"
    return real(host, *arguments, **options)

sys.addaudithook(write)
socket.getaddrinfo = getaddrinfo
"""

PRODUCT = "product"  # the page's product is in `data/`


@dataclass
class Case:
    """A page of the shop, what its product page's data say, and how it ends.

    Args:
        ends: `PRODUCT`, a reason of a reject of the page or of its video, or None for a page of nothing.
        fields: Of the product's JSON-LD, besides a name, an id and a good video.
        page: The answer; None for the product page that `fields` make.
        media: Path → answer, for what `fields` name.
    """

    ends: str | None
    fields: dict[str, Any] | None = None
    page: Page | None = None
    media: dict[str, Page] | None = None


def html(body: str | bytes, content_type: str = "text/html; charset=utf-8", **options: Any) -> Page:
    headers = {"Content-Type": content_type, **options.pop("headers", {})}
    return Page(body.encode() if isinstance(body, str) else body, headers=headers, **options)


def script(text: str) -> str:
    return f'<html><head><script type="application/ld+json">{text}</script></head><body></body></html>'


def data(sku: str, /, **fields: Any) -> str:
    """A product page as text; its video is the good one of its page."""
    product = {"@type": "Product", "sku": sku, "name": f"Product {sku}", "video": {"contentUrl": f"/good/{sku}.mp4"}}
    return script(json.dumps({"@context": "https://schema.org", **product, **fields}))


def to(location: str, status: int = 302) -> Page:
    return Page(b"", status, {"Location": location}, validators=False)


def raw(text: str | bytes) -> Page:
    return Page(b"", raw=text.encode() if isinstance(text, str) else text)


def film_of_8k() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 7680, 4320, "yuv420p"
        frame = av.VideoFrame(7680, 4320, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def png_bomb() -> bytes:
    """A PNG of 60,000 × 60,000 pixels in a few bytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10**6))
        + chunk(b"IEND", b"")
    )


def film(content: bytes, **options: Any) -> Case:
    """A product with one hostile video, whose reason is to be filled in by `ends`."""
    return Case("", {"video": {"contentUrl": "/bad/NAME.mp4"}}, media={"/bad/NAME.mp4": Page(content, **options)})


def ends(reason: str, case: Case) -> Case:
    case.ends = reason
    return case


def refers(url: Any, reason: str) -> Case:
    return Case(reason, {"video": {"contentUrl": url}})


def variants() -> dict[str, Any]:
    first = {"@type": "Product", "@id": "#a", "name": "A", "isVariantOf": {"@id": "#b"}, "hasVariant": {"@id": "#b"}}
    second = {"@type": "ProductGroup", "@id": "#b", "name": "B", "hasVariant": [{"@id": "#a"}, {"@id": "#b"}]}
    return {"@id": "#p", "isVariantOf": {"@id": "#p"}, "hasVariant": [first, second, {"@id": "#p"}]}


def bomb(num_bytes: int) -> bytes:
    return gzip.compress(b"<p>" + b" " * num_bytes)


GZIPPED = {"Content-Encoding": "gzip"}
GZIPPED_TWICE = {"Content-Encoding": "gzip, gzip"}
GBK = '<meta charset="gbk">'
NESTED = "[" * 7_000_000

CASES: dict[str, Case] = {
    # What the pages say.
    "malformed": Case("bad_product_data", page=html(script('{"@type": "Product", "name": "x",'))),
    "brackets": Case("bad_product_data", page=html(script('{"@type": "Product", "x": ' + NESTED))),
    "brackets10mb": Case("too_large", page=html(script('{"@type": "Product", "x": ' + "[" * 10_000_000))),
    "braces": Case("bad_product_data", page=html(script('{"@type": "Product", "x": ' + '{"a":' * 200_000))),
    "digits": Case("bad_product_data", page=html(script('{"@type": "Product", "name": ' + "9" * 10_000 + "}"))),
    "nameless": Case("bad_product_data", {"name": None}),
    "no-video": Case("no_video", {"video": None}),
    "same-id": Case("duplicate_product", {"sku": "control", "video": {"contentUrl": "/good/same-id.mp4"}}),
    "copy": Case("duplicate_product", {"video": {"contentUrl": "/good/control.mp4"}}),
    "control": Case(PRODUCT, {"name": "A\x00B\x07\x1b[31m \u202eC", "description": "\x01" * 100}),
    "surrogate": Case(PRODUCT, page=html(script(r'{"@type": "Product", "sku": "surrogate", "name": "\ud800 x", '
                                                r'"video": {"contentUrl": "/good/surrogate.mp4"}}'))),
    "infinite": Case(PRODUCT, page=html(script('{"@type": "Product", "sku": "infinite", "name": "x", "p": Infinity, '
                                               '"h": 1e999, "video": {"contentUrl": "/good/infinite.mp4"}}'))),
    "traversal": Case(PRODUCT, {"sku": "../../../traversal"}),
    "null-id": Case(PRODUCT, {"sku": "..\x00/etc/passwd"}),
    "long": Case(PRODUCT, {"name": "x" * 1_000_000, "sku": "y" * 100_000, "category": ">" * 100_000}),
    "cyclic": Case(PRODUCT, variants()),
    "odd-types": Case(PRODUCT, {"category": {"a": [1]}, "license": [[]], "image": [None, 1.5, {}, [[]]]}),
    "markup": Case(PRODUCT, {"name": "<b onclick=alert(1)>Ring</b>", "license": "javascript:alert(1)"}),
    "end-of-script": Case("bad_product_data", {"name": "</script><script>alert(1)</script>Ring"}),
    # How they are written.
    "bom": Case(PRODUCT, page=html(b"\xef\xbb\xbf" + data("bom").encode())),
    "utf-16": Case(PRODUCT, page=html(data("utf-16").encode("utf-16"), "text/html")),
    "gbk": Case(PRODUCT, page=html((GBK + data("gbk").replace("Product gbk", "金戒指")).encode("gbk"), "text/html")),
    "gbk-as-utf-8": Case(PRODUCT, page=html((GBK + data("gbk-as-utf-8").replace("Product g", "金戒指")).encode("gbk"))),
    "no-such-charset": Case(PRODUCT, page=html(data("no-such-charset"), "text/html; charset=klingon")),
    "nul": Case(PRODUCT, page=html("\x00" * 10 + data("nul"))),
    "deep": Case(PRODUCT, page=html(data("deep") + "<div>" * 100_000)),
    "attributes": Case(PRODUCT, page=html(data("attributes") + "<p " + " ".join(f"a{n}=x" for n in range(50_000)))),
    "unclosed": Case(PRODUCT, page=html(data("unclosed") + "<!-- <script><![CDATA[ <a href='")),
    "entities": Case(PRODUCT, page=html('<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c '
                                        'SYSTEM "file:///etc/passwd">]>' + data("entities") + "&b;&c;")),
    "xhtml": Case(PRODUCT, page=html('<?xml version="1.0"?><!DOCTYPE html SYSTEM "http://169.254.169.254/x.dtd">'
                                     + data("xhtml"), "application/xhtml+xml")),
    "as-image": Case(PRODUCT, page=html(data("as-image"), "image/png")),
    "as-download": Case(PRODUCT, page=html(data("as-download"), "application/octet-stream")),
    "as-nothing": Case(PRODUCT, page=html(data("as-nothing"), "")),
    "image": Case("not_a_page", page=html(photo_bytes(1), "image/jpeg")),
    "image-as-page": Case("not_a_page", page=html(photo_bytes(1))),
    "film-as-page": Case("not_a_page", page=html(video_bytes(1), "video/mp4")),
    "archive-as-page": Case("not_a_page", page=html(b"PK\x03\x04" * 100)),
    "hostile-base": Case("forbidden_host", page=html(data("hostile-base", video={"contentUrl": "x.mp4"}).replace(
        "<head>", f'<head><base href="{METADATA}">'))),
    # How they are sent.
    "long-length": Case("http_error", page=html(data("long-length"), missing_bytes=100)),
    "short-length": Case("bad_product_data", page=html(data("short-length"), headers={"Content-Length": "150"})),
    "two-lengths": Case("http_error", page=raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n<p>")),
    "minus-length": Case("http_error", page=raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n<p>")),
    "cut-chunk": Case("http_error", page=raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<p>")),
    "bad-chunk": Case("http_error", page=raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n<p>")),
    "no-answer": Case("http_error", page=raw("")),
    "another-protocol": Case("http_error", page=raw("220 mail.example ESMTP\r\n")),
    "long-header": Case("http_error", page=raw("HTTP/1.1 200 OK\r\nX: " + "x" * 2_000_000 + "\r\n\r\n<p>")),
    "gzip-bomb": Case("too_large", page=html(bomb(60_000_000), headers=GZIPPED)),
    "gzip-twice": Case("too_large", page=html(gzip.compress(bomb(60_000_000)), headers=GZIPPED_TWICE)),
    "gzip-unsaid": Case(PRODUCT, page=html(gzip.compress(data("gzip-unsaid").encode()))),
    "gzip-unsaid-bomb": Case("too_large", page=html(bomb(60_000_000))),
    "cut-gzip": Case("http_error", page=html(gzip.compress(data("cut-gzip").encode())[:-20], headers=GZIPPED)),
    "cut-gzip-unsaid": Case("http_error", page=html(gzip.compress(data("cut-gzip-unsaid").encode())[:-20])),
    "not-gzip": Case("http_error", page=html(data("not-gzip"), headers=GZIPPED)),
    "accepted": Case("http_error", page=html("a wall", status=202)),
    "part": Case("http_error", page=html(data("part")[:40], status=206)),
    "teapot": Case("http_error", page=html("x", status=418)),
    "status-999": Case("http_error", page=html("x", status=999)),
    "dead": Case(None, page=html("x", status=404)),
    # Where they lead.
    "loop": Case("http_error", page=to("/loop.html")),
    "to-and-fro": Case("http_error", page=to("/fro.html"), media={"/fro.html": to("/to-and-fro.html")}),
    "refresh-loop": Case("http_error", page=html('<meta http-equiv="refresh" content="0; url=/refresh-loop.html">')),
    "to-metadata": Case("forbidden_host", page=to(METADATA)),
    "to-elsewhere": Case("forbidden_host", page=to("ELSEWHERE", 308)),
    "refresh-elsewhere": Case("forbidden_host", page=html('<meta http-equiv="refresh" content="0; url=ELSEWHERE">')),
    "to-ipv6": Case("forbidden_host", page=to("http://[::ffff:169.254.169.254]/")),
    "to-decimal": Case("forbidden_host", page=to("http://2852039166/")),
    "to-password": Case("forbidden_host", page=to("http://user:secret@127.0.0.1:PORT/")),
    "to-file": Case("http_error", page=to("file:///etc/passwd")),
    "rebinding": Case("forbidden_host", {"video": {"contentUrl": f"http://{REBOUND}:PORT/rebound.mp4"}}),
    # What they sell with.
    "film-8k": film(b""),
    "film-html": ends("not_a_video", film(b"<!doctype html>" + b" " * 1000, headers={"Content-Type": "video/mp4"})),
    "film-playlist": ends("not_a_video", film(f"#EXTM3U\n#EXTINF:9,\n{METADATA}\n".encode())),
    "film-empty": ends("not_a_video", film(b"")),
    "film-photo": ends("not_a_video", film(photo_bytes(9))),
    "film-cut": ends("truncated", film(video_bytes(11)[:-300])),
    "film-head": ends("truncated", film(video_bytes(12)[:32])),
    "film-huge-box": ends("truncated", film(b"\0\0\0\x14ftypisom\0\0\0\0isom" + b"\xff\xff\xff\xffmoov" + b"x" * 600)),
    "film-long-box": ends("truncated", film(b"\0\0\0\x14ftypisom\0\0\0\0isom" + b"\0\0\0\x01moov" + b"\xff" * 600)),
    "film-endless": ends("too_large", film(video_bytes(13), endless=True)),
    "film-announced": ends("too_large", film(video_bytes(14), headers={"Content-Length": "9" * 18})),
    "film-broken": ends("http_error", film(video_bytes(15), missing_bytes=100)),
    "film-part": ends("http_error", film(video_bytes(16)[:900], status=206)),
    "film-none": ends("http_error", film(b"", status=204)),
    "film-gzip": ends("not_a_video", film(gzip.compress(b"x" * 10_000_000), headers=GZIPPED)),
    "film-loop": Case("http_error", {"video": {"contentUrl": "/bad/loop"}}, media={"/bad/loop": to("/bad/loop")}),
    "film-metadata": Case("forbidden_host", {"video": {"contentUrl": "/bad/m"}}, media={"/bad/m": to(METADATA)}),
    "film-elsewhere": Case("forbidden_host", {"video": {"contentUrl": "/bad/e"}}, media={"/bad/e": to("ELSEWHERE")}),
    "film-file": refers("file:///etc/passwd", "forbidden_host"),
    "film-data": refers("data:video/mp4;base64,AAAA", "no_video"),
    "film-blob": refers("blob:https://shop.example/1", "no_video"),
    "film-ftp": refers("ftp://127.0.0.1/x.mp4", "forbidden_host"),
    "film-bracket": refers("http://[broken/x.mp4", "forbidden_host"),
    "film-port": refers("http://127.0.0.1:99999/x.mp4", "forbidden_host"),
    "film-number": refers(7, "no_video"),
    "photo-bomb": Case(PRODUCT, {"image": "/bad/bomb.png"}, media={"/bad/bomb.png": Page(png_bomb())}),
    "photo-gif": Case(PRODUCT, {"image": "/bad/x.gif"}, media={"/bad/x.gif": Page(b"GIF89a" + b"\0" * 900)}),
    "photo-svg": Case(PRODUCT, {"image": "/bad/x.svg"}, media={"/bad/x.svg": Page(b"<svg onload='alert(1)'/>")}),
    "photo-name": Case(PRODUCT, {"image": "/bad/..%2f..%2fx.jpg"}, media={"/bad/..%2f..%2fx.jpg": Page(
        photo_bytes(77), headers={"Content-Disposition": "attachment; filename=../../../evil.jpg"})}),
}  # fmt: skip
PHOTO_REASONS = {"photo-bomb": "too_large", "photo-gif": "not_an_image", "photo-svg": "not_an_image"}
IDS = {"traversal", "null-id", "long"}  # whose product has another id than its page has a name


@dataclass
class Crawled:
    site: Site
    elsewhere: Site
    workspace: Workspace
    products: dict[str, Product]  # page → product
    reasons: dict[str, set[str]]  # page, or what its product names → reasons
    peak_mb: int
    connections: set[str]


def fill(page: Page, name: str, words: dict[str, str]) -> Page:
    for word, value in words.items():
        page.headers = {key: text.replace(word, value) for key, text in page.headers.items()}
        if word.encode() in page.body[:2000]:
            page.body = page.body.replace(word.encode(), value.encode())
    return page


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crawled]:
    workspace = Workspace(tmp_path_factory.mktemp("hostile"))
    customisation = tmp_path_factory.mktemp("customisation")
    (customisation / "sitecustomize.py").write_text(SITE_CUSTOMISATION)
    connections = customisation / "connections"
    names: dict[str, str] = {}  # item of a reject → case
    with serving(Site()) as site, serving(Site()) as elsewhere:
        words = {"PORT": str(site.port), "ELSEWHERE": elsewhere.url}
        for number, (name, case) in enumerate(CASES.items()):
            site.add(f"/good/{name}.mp4", video_bytes(500 + number))
            page = case.page or html(data(name, **(case.fields or {})).replace("NAME", name))
            site.pages[f"/{name}.html"] = fill(page, name, words)
            names[f"{name}.html"] = name
            for path, medium in (case.media or {}).items():
                site.pages[path.replace("NAME", name)] = fill(medium, name, words)
                names[path.replace("NAME", name)[1:]] = name
        site.pages["/bad/film-8k.mp4"].body = film_of_8k()
        site.add("/robots.txt", b"", headers={"Connection": "close"})
        site.add("/rebound.mp4", video_bytes(901))
        site.add_index(*(f"/{name}.html" for name in CASES))
        hosts = ["127.0.0.1", REBOUND]
        arguments = [str(workspace.root), site.params(allowed_hosts=hosts, max_video_mb=1).to_json()]
        path = os.pathsep.join([str(customisation), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        environment = {**os.environ, "PYTHONPATH": path, "SEEN_CONNECTIONS": str(connections)}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        catalog = read_catalog(workspace.data)
        reasons: dict[str, set[str]] = {}
        for reject in rejects(workspace):
            item = reject.item.removeprefix(site.url)
            name = names.get(item) or (reject.product_id if reject.product_id in CASES else item)
            reasons.setdefault(name, set()).add(reject.reason)
        yield Crawled(
            site,
            elsewhere,
            workspace,
            {product.page_url.removeprefix(site.url): product for product in catalog.values()},
            reasons,
            int(run.stdout.split()[-1]),
            set(connections.read_text().split()),
        )


@pytest.mark.parametrize("name", CASES)
def test_each_hostile_thing_ends_as_it_should(name: str, crawled: Crawled) -> None:
    expected = PRODUCT if name == "film-8k" else CASES[name].ends
    reasons = crawled.reasons.get(name, set())
    product = crawled.products.get(f"{name}.html")
    if expected == PRODUCT:
        assert product is not None, reasons
        assert reasons == ({PHOTO_REASONS[name]} if name in PHOTO_REASONS else set())
        assert name in IDS or product.product_id == name
    else:
        assert product is None
        assert reasons == ({expected} if expected else set())


def test_what_is_kept_is_whole_and_in_its_place(crawled: Crawled) -> None:
    check_catalog(crawled.workspace)
    assert {path.name for path in crawled.workspace.root.iterdir()} == {"data", ".pvtt"}


def test_the_crawler_connects_to_the_allowed_host_alone(crawled: Crawled) -> None:
    assert ("/robots.txt", 200) in crawled.site.requests
    assert "/rebound.mp4" not in crawled.site.fetched()
    assert crawled.connections == {f"127.0.0.1:{crawled.site.port}"}
    assert crawled.elsewhere.requests == []


def test_its_memory_is_bounded(crawled: Crawled) -> None:
    assert 30 < crawled.peak_mb < MAX_CHILD_MB


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60
