"""Small shops served over real HTTP, and the tiny media that they sell with."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from pvtt.params.crawl import CrawlParams


def video_bytes(seed: int, format: str = "mp4", codec: str = "libx264") -> bytes:
    """A 64×48 video of 4 frames whose pixels depend on `seed`; an MP4's `moov` box comes first."""
    with tempfile.NamedTemporaryFile(suffix=f".{format}") as file:
        options = {"movflags": "faststart"} if format == "mp4" else {}
        with av.open(file.name, "w", format=format, options=options) as container:
            stream = container.add_stream(codec, rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for pixels in np.random.default_rng(seed).integers(0, 255, (4, 48, 64, 3), dtype=np.uint8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            container.mux(stream.encode())
        return Path(file.name).read_bytes()


def photo_bytes(seed: int, format: str = "JPEG") -> bytes:
    """A 32×32 image whose pixels depend on `seed`."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format)
    return buffer.getvalue()


@dataclass
class Page:
    """What a path answers with."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    validators: bool = True  # sends an ETag, and 304 for it
    endless: bool = False  # repeats the body, without a length, until the client hangs up
    drip_s: float = 0.0  # sends the body over and over, one byte at a time, each so many seconds after the last
    missing_bytes: int = 0  # announces this many bytes more than it sends
    gives_parts: bool = False  # answers a request for a range of bytes with these
    raw: bytes | None = None  # sent as it is, status line and all, instead of an answer; then the connection is closed


@dataclass
class Site:
    """A site that tests change as they go.

    Args:
        pages: Path (with query) → page. What is not there is 404.
        requests: (path, answered status) in the order of answers.
        times: When each of them was, on `time.monotonic`.
        before: Called with each path before it is answered; for tests that interrupt.
    """

    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    before: Callable[[str], None] | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def add(self, path: str, body: bytes | str, **options: Any) -> None:
        self.pages[path] = Page(body.encode() if isinstance(body, str) else body, **options)

    def add_html(self, path: str, body: str, **options: Any) -> None:
        options.setdefault("headers", {"Content-Type": "text/html; charset=utf-8"})
        self.add(path, body, **options)

    def add_product(self, product_id: str, seed: int, photos: int = 2, **data: Any) -> None:
        """A product page with JSON-LD, one video and some photos."""
        self.add(f"/media/{product_id}.mp4", video_bytes(seed))
        for number in range(photos):
            self.add(f"/media/{product_id}-{number}.jpg", photo_bytes(100 * seed + number))
        fields = {
            "@type": "Product",
            "sku": product_id,
            "name": f"Product {product_id}",
            "category": "Jewellery > Rings",
            "video": {"@type": "VideoObject", "contentUrl": f"/media/{product_id}.mp4"},
            "image": [f"/media/{product_id}-{number}.jpg" for number in range(photos)],
            **data,
        }
        self.add_html(f"/products/{product_id}.html", json_ld({"@context": "https://schema.org", **fields}))

    def add_index(self, *paths: str) -> None:
        self.add_html("/", "<html><body>" + "".join(f'<a href="{path}">x</a>' for path in paths) + "</body></html>")

    def params(self, **changes: Any) -> CrawlParams:
        return CrawlParams.model_validate_json(
            json.dumps(
                {
                    "start": self.url,
                    "allowed_hosts": ["127.0.0.1"],
                    "allow_loopback": True,
                    "delay_s": 0,
                    "max_failed_fraction": 1.0,
                    **changes,
                }
            )
        )

    def fetched(self, *, status: int | None = None) -> list[str]:
        """Paths that were asked for, sorted, robots.txt left out."""
        return sorted(path for path, code in self.requests if path != "/robots.txt" and status in (None, code))


def json_ld(*things: Any) -> str:
    scripts = "".join(f'<script type="application/ld+json">{json.dumps(thing)}</script>' for thing in things)
    return f"<html><head><title>x</title>{scripts}</head><body></body></html>"


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if site.before is not None:
                site.before(self.path)
            page = site.pages.get(self.path, Page(b"not found", 404, validators=False))
            site.times.append(time.monotonic())
            if page.raw is not None:
                site.requests.append((self.path, 0))
                self.close_connection = True
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(page.raw)
                return
            etag = f'"{hashlib.sha256(page.body).hexdigest()[:16]}"'
            status, body = page.status, page.body
            if page.validators and self.headers.get("If-None-Match") == etag:
                status, body = 304, b""
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if page.gives_parts else None
            if asked is not None:
                status, body = 206, body[int(asked[1]) : int(asked[2]) + 1]
            site.requests.append((self.path, status))
            self.send_response(status)
            if asked is not None:
                self.send_header("Content-Range", f"bytes {asked[1]}-{asked[2]}/{len(page.body)}")
            if page.validators:
                self.send_header("ETag", etag)
            length = (
                {"Connection": "close"}
                if page.endless or page.drip_s
                else {"Content-Length": str(len(body) + page.missing_bytes)}
            )
            headers = {**length, **page.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            try:
                self.end_headers()
                for byte in itertools.cycle(body) if page.drip_s else ():
                    self.wfile.write(bytes([byte]))
                    time.sleep(page.drip_s)
                self.wfile.write(body)
                while page.endless:
                    self.wfile.write(body)
                self.close_connection |= page.missing_bytes > 0
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", site.port), Handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
