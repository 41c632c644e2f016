"""The rating page: blind, on the loopback, one click one line on the disk.

    GET  /                     the page
    GET  /api/queue?rater=ann  what ann is to rate, in her own order, and what she has rated
    POST /api/rate             {"rater", "token", "score"}: saved when the answer comes
    GET  /video/<token>        the video, with ranges, so that browsers can seek and loop
    GET  /photo/<token>/<n>    a photo of the product that it should show

Blind: a token stands for a video and tells nothing of its product, split, run or score. Tokens and photo numbers are
looked up in tables, so no request names a path. Requests for another host's name are refused, and so are those that
another origin's page sends: a page open in the same browser can neither read the videos nor rate. Any port is allowed
in the name, since `ssh -L 9000:localhost:8766` brings the page to another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pvtt.errors import PvttError
from pvtt.files.hashing import sha256_json
from pvtt.files.serve import LoopbackServer
from pvtt.ratings.store import RatingStore
from pvtt.ratings.summary import samples_to_rate
from pvtt.records.base import Record
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.ratings import RaterName, Rating

PAGE = Path(__file__).with_name("page.html")
LOCAL_NAMES = ("127.0.0.1", "localhost")
MAX_BODY = 4096  # bytes of a post
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; media-src 'self'; img-src 'self' data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


class Click(Record):
    """What the page posts: a rater's score for the video behind a token."""

    rater: str
    token: str
    score: int


@dataclass(frozen=True)
class RatedItem:
    """A video to rate, and the photos of the product that it should show."""

    sample: EvaluatedSample
    video: Path
    photos: tuple[Path, ...]


class RatingServer(LoopbackServer):
    """Serves one run's rating page.

    Args:
        run_id: Id of the evaluation whose videos are rated.
        samples: Its samples; those to rate are served.
        videos: Folder that the samples' video paths are relative to.
        root: Folder that the samples' photo paths are relative to.
        store: The file that ratings are appended to.
        port: 0 takes a free one.
        rater: Fixed name; None: the page asks.

    Raises:
        PvttError: There is nothing to rate, or the port is taken.
    """

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
        self.items: Mapping[str, RatedItem] = {
            sha256_json([run_id, sample.key])[:16]: RatedItem(
                sample, videos / sample.videos["generated"], tuple(root / path for path in sample.photo_paths)
            )
            for sample in samples_to_rate(samples)
        }
        if not self.items:
            raise PvttError(
                "there are no test videos to rate", "set evaluate.save_videos above 0 and run `dvc repro evaluate`"
            )
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/api/queue", self._queue),
                Route("/api/rate", self._rate, methods=["POST"]),
                Route("/video/{token}", self._video),
                Route("/photo/{token}/{number:int}", self._photo),
            ],
            middleware=[Middleware(_OwnPagesOnly)],
            exception_handlers={HTTPException: _as_json},
        )
        hint = "another `pvtt rate` may still run there; choose another port with `pvtt rate --port 0`"
        super().__init__(app, port, hint)

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

    def _page(self, request: Request) -> Response:
        rater = json.dumps(self.rater).replace("<", "\\u003c")
        return HTMLResponse(PAGE.read_text(encoding="utf-8").replace("__RATER__", rater))

    def _queue(self, request: Request) -> Response:
        rater = request.query_params.get("rater", "")
        try:
            rater = TypeAdapter(RaterName).validate_python(rater)
        except ValidationError:
            raise HTTPException(
                HTTPStatus.BAD_REQUEST, "a name has letters, digits, spaces and . @ - _, at most 64"
            ) from None
        try:
            return JSONResponse(self.queue(rater))
        except PvttError as error:
            raise HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, error.message) from None

    async def _rate(self, request: Request) -> Response:
        if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise HTTPException(HTTPStatus.NOT_FOUND, "post JSON to /api/rate")
        body = await _body(request)
        try:
            click = Click.from_json(body)
            await run_in_threadpool(self.rate, click.rater, click.token, click.score)
        except (ValidationError, KeyError):
            raise HTTPException(
                HTTPStatus.BAD_REQUEST, "need a rater's name, a known token and a score from 1 to 5"
            ) from None
        except PvttError as error:  # the disk is full: the page must not believe that it was saved
            raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, f"{error.message}: {error.hint}") from None
        return JSONResponse({})

    def _video(self, request: Request) -> Response:
        return _file(self._item(request).video, "video/mp4")

    def _photo(self, request: Request) -> Response:
        photos, number = self._item(request).photos, request.path_params["number"]
        if number >= len(photos):
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such photo")
        return _file(photos[number], "image/png")

    def _item(self, request: Request) -> RatedItem:
        try:
            return self.items[request.path_params["token"]]
        except KeyError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such video") from None


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                raise HTTPException(HTTPStatus.BAD_REQUEST, "too long a body")
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body ends early") from None
    return body


def _file(path: Path, media_type: str) -> Response:
    if not path.is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND, "the file is gone: run `dvc checkout`")
    return FileResponse(path, media_type=media_type)


def _as_json(request: Request, error: Exception) -> Response:
    """An error as the page reads it."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


class _OwnPagesOnly:
    """Refuses requests that do not name the loopback, or that a page of another origin sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY)
            await send(message)

        app = self._app if _is_own(Headers(scope=scope)) else _REFUSAL
        await app(scope, receive, send_with_headers)


_REFUSAL = JSONResponse({"error": "open the page by the address that `pvtt rate` shows"}, HTTPStatus.FORBIDDEN)


def _is_own(headers: Headers) -> bool:
    host = headers.get("Host", "")
    name, _, port = host.partition(":")
    is_local = name in LOCAL_NAMES and (port == "" or port.isdecimal())
    return is_local and headers.get("Origin") in (None, f"http://{host}")
