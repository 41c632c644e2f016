"""The rating page: blind, one click one line on the disk; on the loopback, or by a link with a key.

    GET  /                     the page; /?key=… lets a browser in that has the link
    GET  /api/queue?rater=ann  what ann is to rate, in her own order, and what she has rated
    POST /api/rate             {"rater", "token", "score"}: saved when the answer comes
    GET  /video/<token>        the video, with ranges, so that browsers can seek and loop
    GET  /photo/<token>/<n>    a photo of the product that it should show

Blind: a token stands for a video and tells nothing of its product, split, run or score, nor whether it is a control
(`pvtt.ratings.queue`). Tokens and photo numbers are looked up in tables, so no request names a path. On the loopback,
requests for another host's name are refused; from elsewhere, those without the key. Both ways those are refused that
another origin's page sends: a page open in the same browser can neither read the videos nor rate. Any port is allowed
in the name, since `ssh -L 9000:localhost:8766` brings the page to another one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pvtt.errors import PvttError
from pvtt.files.serve import HOST, AppServer
from pvtt.ratings.queue import Showing, in_order, showings
from pvtt.ratings.store import Rated, RatingStore
from pvtt.records.base import Record
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.ratings import RaterName, Rating

PAGE = Path(__file__).with_name("page.html")
LOCAL_NAMES = ("127.0.0.1", "localhost")
MAX_BODY = 4096  # bytes of a post
COOKIE = "pvtt-rate"  # holds the key, where there is one
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
    """A video in the queue, and the photos of the product that it should show."""

    showing: Showing
    video: Path
    photos: tuple[Path, ...]


class RatingServer(AppServer):
    """Serves one run's rating page.

    Args:
        run_id: Id of the evaluation whose videos are rated.
        samples: Its samples; those to rate are served.
        videos: Folder that the samples' video paths are relative to.
        root: Folder that the samples' photo paths are relative to.
        store: The file that ratings are appended to.
        port: 0 takes a free one.
        rater: Fixed name; None: the page asks.
        host: The address to listen on.
        key: That every browser must have been given; None on the loopback alone.

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
        host: str = HOST,
        key: str | None = None,
    ) -> None:
        if key is None and host not in LOCAL_NAMES:
            raise ValueError(f"without a key anyone who reaches {host} could rate")
        self.run_id = run_id
        self.store = store
        self.rater = rater
        self._once = showings(run_id, samples)
        again = [replace(showing, again=True) for showing in self._once if showing.shown == "generated"]
        self.items: Mapping[str, RatedItem] = {
            showing.token(run_id): RatedItem(
                showing,
                videos / showing.sample.videos[showing.shown],
                tuple(root / path for path in showing.sample.photo_paths),
            )
            for showing in (*self._once, *again)
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
            middleware=[Middleware(_OwnPagesOnly, key=key)],
            exception_handlers={HTTPException: _as_json},
        )
        hint = "another `pvtt rate` may still run there; choose another port with `pvtt rate --port 0`"
        super().__init__(app, port, hint, host=host)

    def queue(self, rater: str) -> list[dict[str, Any]]:
        """What a rater is to see, in an order of their own that stays when they come back."""
        latest = self.store.latest()
        raters = list(dict.fromkeys(rated.rater for rated in latest))  # by their first rating
        number = raters.index(rater) if rater in raters else len(raters)
        order = in_order(self._once, number)
        return [
            {
                "token": showing.token(self.run_id),
                "photos": len(showing.sample.photo_paths),
                "score": found.score if (found := latest.get(_rated(rater, showing))) else None,
            }
            for showing in order
        ]

    @property
    def num_videos(self) -> int:
        """That each rater is to see."""
        return len(in_order(self._once, 0))

    def rate(self, rater: str, token: str, score: int) -> None:
        """Save one rating. Raises `KeyError` for an unknown token, `ValidationError` for a wrong name or score."""
        showing = self.items[token].showing
        self.store.append(
            Rating(
                run_id=self.run_id,
                rater=rater,
                product_id=showing.sample.product_id,
                clip_id=showing.sample.clip_id,
                shown=showing.shown,
                again=showing.again,
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


def _rated(rater: str, showing: Showing) -> Rated:
    return Rated(rater, showing.sample.key, showing.shown, showing.again)


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
    """Refuses requests that a page of another origin sends, and those that do not name the loopback.

    With a key, those without it in place of the latter. The link brings it; from there on the browser keeps it.
    """

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY)
            await send(message)

        await self._answer(Request(scope))(scope, receive, send_with_headers)

    def _answer(self, request: Request) -> ASGIApp:
        host = request.headers.get("Host", "")
        if not host or request.headers.get("Origin") not in (None, f"http://{host}"):
            return _REFUSAL
        if self._key is None:
            name, _, port = host.partition(":")
            return self._app if name in LOCAL_NAMES and (port == "" or port.isdecimal()) else _REFUSAL
        if _is_same(request.query_params.get("key"), self._key):
            answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)  # so that the key leaves the address
            answer.set_cookie(COOKIE, self._key, httponly=True, samesite="strict")
            return answer
        return self._app if _is_same(request.cookies.get(COOKIE), self._key) else _REFUSAL


_REFUSAL = JSONResponse({"error": "open the page by the whole address that `pvtt rate` shows"}, HTTPStatus.FORBIDDEN)


def _is_same(given: str | None, key: str) -> bool:
    return given is not None and secrets.compare_digest(given.encode(), key.encode())
