"""The rating page's server: loopback only, blind, one click one line on the disk.

    GET  /                     the page
    GET  /api/queue?rater=ann  what ann is to rate, in her own order, and what she has rated
    POST /api/rate             {"rater", "token", "score"}: saved when the answer comes
    GET  /video/<token>        the video, with ranges, so that browsers can seek and loop
    GET  /photo/<token>/<n>    a photo of the product that it should show

Blind: a token stands for a video and tells nothing of its product, split, run or score. Tokens and photo numbers are
looked up in tables, so no request names a path. Requests for another host's name are refused, and so are posts from
other origins: a page open in the same browser can neither read the videos nor rate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from pydantic import TypeAdapter, ValidationError

from pvtt.errors import PvttError
from pvtt.files.hashing import sha256_json
from pvtt.ratings.store import RatingStore
from pvtt.ratings.summary import samples_to_rate
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.ratings import RaterName, Rating

HOST = "127.0.0.1"
MAX_BODY = 4096  # bytes of a post
CHUNK = 1 << 16
POLICY = "default-src 'none'; connect-src 'self'; media-src 'self'; img-src 'self' data:; " + (
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


@dataclass(frozen=True)
class _Item:
    sample: EvaluatedSample
    video: Path
    photos: tuple[Path, ...]


class RatingServer(ThreadingHTTPServer):
    """Serves one run's rating page.

    Args:
        run_id: The evaluated run.
        samples: Its samples; those to rate are served.
        videos: Folder that the samples' video paths are relative to.
        root: Folder that the samples' photo paths are relative to.
        store: Where ratings go.
        port: 0 takes a free one.
        rater: Fixed name; None: the page asks.

    Raises:
        PvttError: There is nothing to rate, or the port is taken.
    """

    daemon_threads = True

    def __init__(
        self,
        run_id: str,
        samples: Sequence[EvaluatedSample],
        videos: Path,
        root: Path,
        store: RatingStore,
        port: int,
        rater: str | None = None,
    ) -> None:
        self.run_id = run_id
        self.store = store
        self.rater = rater
        self.items: Mapping[str, _Item] = {
            sha256_json([run_id, sample.key])[:16]: _Item(
                sample, videos / sample.videos["generated"], tuple(root / path for path in sample.photo_paths)
            )
            for sample in samples_to_rate(samples)
        }
        if not self.items:
            raise PvttError(
                "there are no test videos to rate", "set evaluate.save_videos above 0 and run `dvc repro evaluate`"
            )
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise PvttError(
                f"cannot serve on {HOST}:{port}: {error.strerror}",
                "another `pvtt rate` may still run there; choose another port with `pvtt rate --port 0`",
            ) from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    def queue(self, rater: str) -> list[dict[str, Any]]:
        """What a rater is to see, in an order of their own that stays when they come back."""
        latest = self.store.latest()
        order = sorted(self.items, key=lambda token: sha256_json([self.run_id, rater, token]))
        return [
            {
                "token": token,
                "photos": len(self.items[token].photos),
                "score": score.score if (score := latest.get((rater, self.items[token].sample.key))) else None,
            }
            for token in order
        ]

    def rate(self, rater: str, token: str, score: int) -> None:
        """Save one rating. Raises `KeyError` for an unknown token, `ValidationError` for a wrong name or score."""
        sample = self.items[token].sample
        self.store.append(
            Rating(
                run_id=self.run_id,
                rater=rater,
                product_id=sample.product_id,
                clip_id=sample.clip_id,
                score=score,
                rated_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _rating_server(self) -> RatingServer:
        return cast("RatingServer", self.server)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not self._is_local():
            return
        match url.path.strip("/").split("/"):
            case [""]:
                page = files("pvtt.ratings").joinpath("page.html").read_text(encoding="utf-8")
                rater = json.dumps(self._rating_server.rater).replace("<", "\\u003c")
                self._send(page.replace("__RATER__", rater).encode(), "text/html; charset=utf-8")
            case ["api", "queue"]:
                self._queue(parse_qs(url.query).get("rater", [""])[0])
            case ["video", token] if token in self._rating_server.items:
                self._send_file(self._rating_server.items[token].video, "video/mp4")
            case ["photo", token, number] if token in self._rating_server.items and number.isdecimal():
                photos = self._rating_server.items[token].photos
                if int(number) < len(photos):
                    self._send_file(photos[int(number)], "image/png")
                else:
                    self._fail(HTTPStatus.NOT_FOUND, "no such photo")
            case _:
                self._fail(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._fail(HTTPStatus.BAD_REQUEST, "no or too long a body")
            return
        body = self.rfile.read(int(length))
        if not self._is_local():
            return
        if self.path != "/api/rate" or self.headers.get_content_type() != "application/json":
            self._fail(HTTPStatus.NOT_FOUND, "post JSON to /api/rate")
            return
        try:
            data = json.loads(body)
            self._rating_server.rate(data["rater"], data["token"], data["score"])
        except (ValueError, KeyError, TypeError):  # pydantic's ValidationError is a ValueError
            self._fail(HTTPStatus.BAD_REQUEST, "need a rater's name, a known token and a score from 1 to 5")
            return
        except PvttError as error:  # the disk is full: the page must not believe that it was saved
            self._fail(HTTPStatus.INSUFFICIENT_STORAGE, f"{error.message}: {error.hint}")
            return
        self._send(b"{}", "application/json")

    def _is_local(self) -> bool:
        """Whether the request names this server and, if it comes from a page, that page is its own."""
        port = self._rating_server.server_port
        names = {f"{HOST}:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in names and (origin is None or origin.removeprefix("http://") in names):
            return True
        self._fail(HTTPStatus.FORBIDDEN, f"open http://{HOST}:{port}/ itself")
        return False

    def _queue(self, rater: str) -> None:
        try:
            TypeAdapter(RaterName).validate_python(rater)
        except ValidationError:
            self._fail(HTTPStatus.BAD_REQUEST, "a name has letters, digits, spaces and . @ - _, at most 64")
            return
        try:
            queue = self._rating_server.queue(rater)
        except PvttError as error:
            self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, error.message)
            return
        self._send(json.dumps(queue).encode(), "application/json")

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._start(status, kind, len(body))
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, status: HTTPStatus, message: str) -> None:
        self._send(json.dumps({"error": message}).encode(), "application/json", status)

    def _start(self, status: HTTPStatus, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")

    def _send_file(self, path: Path, kind: str) -> None:
        """A file, or the one range of it that the request asks for (RFC 9110, section 14)."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            self._fail(HTTPStatus.NOT_FOUND, "the file is gone: run `dvc checkout`")
            return
        with file:
            size = path.stat().st_size
            asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            first, last, status = 0, size - 1, HTTPStatus.OK
            if asked and any(asked.groups()):
                start, end = asked.groups()
                first = int(start) if start else max(0, size - int(end))
                last = min(int(end), size - 1) if start and end else size - 1
                if first > last:
                    self._start(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, kind, 0)
                    self.send_header("Content-Range", f"bytes */{size}")
                    self.end_headers()
                    return
                status = HTTPStatus.PARTIAL_CONTENT
            self._start(status, kind, last - first + 1)
            self.send_header("Accept-Ranges", "bytes")
            if status == HTTPStatus.PARTIAL_CONTENT:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.end_headers()
            file.seek(first)
            left = last - first + 1
            try:
                while left > 0 and (piece := file.read(min(CHUNK, left))):
                    self.wfile.write(piece)
                    left -= len(piece)
            except (BrokenPipeError, ConnectionResetError):  # the browser has seen enough
                self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a line a request would hide what the command says."""
