"""Serves a static shop on the loopback, as a real web server does: types, ranges, conditional requests."""

from __future__ import annotations

import email.utils
import errno
import hashlib
import html
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pvtt.errors import MissingInputError, PvttError

SITE = Path(__file__).parent / "site"
HOST = "127.0.0.1"
PORT = 8765

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".mp4": "video/mp4",
}
_BLOCK = 1 << 18  # bytes read and sent at a time


class ShopServer(ThreadingHTTPServer):
    """An HTTP server for one folder. `verbose` prints one line a request."""

    daemon_threads = True

    def __init__(self, site: Path, port: int, verbose: bool = False) -> None:
        self.site = site.resolve()
        self.verbose = verbose
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/"


def open_server(site: Path, port: int, verbose: bool = False) -> ShopServer:
    """Bind the port; serve with `serve_forever`.

    Args:
        site: Folder with an `index.html`.
        port: 0 picks a free one.
        verbose: Print one line a request.

    Raises:
        MissingInputError: There is no site.
        PvttError: The port is taken, or needs privileges.
    """
    if not (site / "index.html").is_file():
        raise MissingInputError(
            f"no shop in {site}: index.html is missing",
            "restore it with `git checkout pvtt/builtin/shop/site`, or render it with `pvtt shop build`",
        )
    try:
        return ShopServer(site, port, verbose)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PvttError(
                f"port {port} is in use",
                "stop what uses it, or choose another: `pvtt shop serve --port N` and crawl.start in params.yaml",
            ) from None
        raise PvttError(f"port {port} cannot be opened: {error.strerror}", "choose a port above 1023") from None
    except OverflowError:
        raise PvttError(f"port {port} does not exist", "choose a port from 1024 to 65535") from None


@contextmanager
def serving(site: Path = SITE, port: int = 0) -> Iterator[str]:
    """Serve a shop from a thread for the block; yields its URL, `http://127.0.0.1:8765/` for example.

    Raises as `open_server`.
    """
    server = open_server(site, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: ShopServer
    server_version = "pvtt-shop"
    protocol_version = "HTTP/1.1"
    timeout = 60  # of an idle connection, seconds

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        path = self._file()
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND, body)
            return
        status = path.stat()
        size = status.st_size
        tag = _entity_tag(path, status.st_mtime_ns, size)
        modified = int(status.st_mtime)
        if self._is_known(tag, modified):
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self._validators(tag, modified)
            self.end_headers()
            return
        span = self._range(size, tag, modified)
        if span is None:
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, body, {"Content-Range": f"bytes */{size}"})
            return
        start, end = span
        partial = (start, end) != (0, size)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        self._validators(tag, modified)
        self.send_header("Content-Type", _TYPES.get(path.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        if body:
            self._send(path, start, end)

    def _file(self) -> Path | None:
        """The file that the request names: never outside the site."""
        name = unquote(urlsplit(self.path).path).lstrip("/")
        if "\x00" in name:
            return None
        path = (self.server.site / name).resolve()
        if path.is_dir():
            path = path / "index.html"
        return path if path.is_relative_to(self.server.site) and path.is_file() else None

    def _is_known(self, tag: str, modified: int) -> bool:
        """Whether the client has these bytes already (RFC 9110, 13.1: the tag outranks the date)."""
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            return tags.strip() == "*" or tag in [known.strip().removeprefix("W/") for known in tags.split(",")]
        since = _seconds(self.headers.get("If-Modified-Since"))
        return since is not None and modified <= since

    def _range(self, size: int, tag: str, modified: int) -> tuple[int, int] | None:
        """First byte and end of what is asked for; the whole file for what is no single range; None if out of reach."""
        condition = self.headers.get("If-Range")
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "").strip())
        if match is None or match.groups() == ("", ""):
            return 0, size
        if condition is not None and condition != tag and _seconds(condition) != modified:
            return 0, size
        first, last = match.groups()
        if first == "":
            start, end = max(0, size - int(last)), size
        else:
            start, end = int(first), min(size, int(last) + 1) if last else size
        return (start, end) if start < end else None

    def _validators(self, tag: str, modified: int) -> None:
        self.send_header("ETag", tag)
        self.send_header("Last-Modified", email.utils.formatdate(modified, usegmt=True))
        self.send_header("Cache-Control", "no-cache")

    def _send(self, path: Path, start: int, end: int) -> None:
        try:
            with path.open("rb") as file:
                file.seek(start)
                left = end - start
                while left > 0 and (block := file.read(min(_BLOCK, left))):
                    self.wfile.write(block)
                    left -= len(block)
        except (BrokenPipeError, ConnectionResetError):  # browsers hang up on videos that they have seen enough of
            self.close_connection = True

    def _refuse(self, status: HTTPStatus, body: bool, headers: dict[str, str] | None = None) -> None:
        page = f"<!doctype html>\n<title>{status.phrase}</title>\n<h1>{html.escape(status.phrase)}</h1>\n".encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", _TYPES[".html"])
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if body:
            self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        if self.server.verbose:
            super().log_message(format, *args)


@lru_cache(maxsize=4096)
def _entity_tag(path: Path, modified_ns: int, size: int) -> str:
    """A strong tag from the bytes; time and size only tell when to read them again."""
    return f'"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}"'


def _seconds(date: str | None) -> int | None:
    """An HTTP date as seconds since 1970; None for what is none."""
    try:
        return int(email.utils.parsedate_to_datetime(date).timestamp()) if date else None
    except (ValueError, TypeError):
        return None
