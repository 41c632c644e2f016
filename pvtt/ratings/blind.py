"""A page on which people judge videos blind, one click one line on the disk; on the loopback, or by a link with a key.

    GET  /                     the page; /?key=… lets a browser in that has the link
    GET  /api/queue?rater=ann  what ann is to judge, in her own order, and what she has judged
    POST /api/…                a click: saved when the answer comes
    GET  /video/<token>        a video, with ranges, so that browsers can seek and loop
    GET  /photo/<token>/<n>    a photo of the product that it should show

Blind: a token stands for a video and tells nothing of it. Tokens and photo numbers are looked up in tables, so no
request names a path. On the loopback, requests for another host's name are refused; from elsewhere, those without the
key. Both ways those are refused that another origin's page sends: a page open in the same browser can neither read the
videos nor judge them. Any port is allowed in the name, since `ssh -L 9000:localhost:8766` brings the page to another
one.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pvtt.errors import PvttError
from pvtt.files.own_pages import LOCAL_NAMES, OwnPagesOnly
from pvtt.files.serve import HOST, MEDIA_TYPES, AppServer, error_as_json
from pvtt.records.ratings import RaterName

FOLDER = Path(__file__).parent  # of the pages
MAX_BODY = 4096  # bytes of a post
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; media-src 'self'; img-src 'self' data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


class BlindServer(AppServer):
    """Serves a page of judging.

    Args:
        page: Its file beside this one; `page.css` and `page.js` are put into it.
        post: The address that a click is sent to.
        need: What a click must have, for who sends something else.
        gone: What to do where a file is gone.
        command: That shows the page's address.
        port: 0 takes a free one.
        rater: Fixed name; None: the page asks.
        host: The address to listen on.
        key: That every browser must have been given; None on the loopback alone.

    Raises:
        PvttError: The port is taken.
    """

    def __init__(
        self,
        *,
        page: str,
        post: str,
        need: str,
        gone: str,
        command: str,
        port: int,
        rater: str | None = None,
        host: str = HOST,
        key: str | None = None,
    ) -> None:
        if key is None and host not in LOCAL_NAMES:
            raise ValueError(f"without a key anyone who reaches {host} could rate")
        self.rater = rater
        self._page_file, self._need, self._gone = page, need, gone
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/api/queue", self._queue),
                Route(post, self._post, methods=["POST"]),
                Route("/video/{token}", self._video),
                Route("/photo/{token}/{number:int}", self._photo),
            ],
            middleware=[Middleware(OwnPagesOnly, command=command, headers=SECURITY, key=key)],
            exception_handlers={HTTPException: error_as_json},
        )
        hint = f"another `pvtt rate` may still run there; choose another port with `{command} --port 0`"
        super().__init__(app, port, hint, host=host)

    @abstractmethod
    def queue(self, rater: str) -> list[dict[str, Any]]:
        """What a rater is to judge, in an order of their own that stays when they come back."""

    @abstractmethod
    def save(self, body: bytes) -> None:
        """Save a click. Raises `KeyError` for an unknown token, `ValidationError` for what is no click."""

    @abstractmethod
    def video(self, token: str) -> Path:
        """The video behind a token. Raises `KeyError`."""

    @abstractmethod
    def photos(self, token: str) -> Sequence[Path]:
        """The photos behind a token. Raises `KeyError`."""

    def _page(self, request: Request) -> Response:
        text = _read(self._page_file).replace("__STYLE__", _read("page.css")).replace("__SCRIPT__", _read("page.js"))
        return HTMLResponse(text.replace("__RATER__", json.dumps(self.rater).replace("<", "\\u003c")))

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

    async def _post(self, request: Request) -> Response:
        if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise HTTPException(HTTPStatus.NOT_FOUND, f"post JSON to {request.url.path}")
        body = await _body(request)
        try:
            await run_in_threadpool(self.save, body)
        except (ValidationError, KeyError):
            raise HTTPException(HTTPStatus.BAD_REQUEST, self._need) from None
        except PvttError as error:  # the disk is full: the page must not believe that it was saved
            raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, f"{error.message}: {error.hint}") from None
        return JSONResponse({})

    def _video(self, request: Request) -> Response:
        try:
            return self._file(self.video(request.path_params["token"]), "video/mp4")
        except KeyError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such video") from None

    def _photo(self, request: Request) -> Response:
        try:
            photo = self.photos(request.path_params["token"])[request.path_params["number"]]
        except LookupError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such photo") from None
        return self._file(photo, MEDIA_TYPES.get(photo.suffix.lower(), "image/png"))

    def _file(self, path: Path, media_type: str) -> Response:
        if not path.is_file():
            raise HTTPException(HTTPStatus.NOT_FOUND, f"the file is gone: {self._gone}")
        return FileResponse(path, media_type=media_type)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


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
