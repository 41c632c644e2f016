"""The review page: one doubtful mask or cut-out at a time, kept or turned away with a key or a button.

    GET  /                          the page
    GET  /api/queue                 what there is to answer on, with what was answered, and in which order
    POST /api/answer/<token>/<verdict>   keep, turn_away or take_back: on the disk when the answer comes
    GET  /picture/<token>/<n>       a frame with the mask's outline; a photo, or its cut-out

A token stands for the contents that are judged, and is looked up in a table, so no request names a path. On the
loopback alone: requests for another host's name, and those of another origin's page, are refused.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from threading import Lock

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pvtt.dataset.review import Doubtful
from pvtt.dataset.review_sheet import num_pictures, pictures
from pvtt.errors import PvttError
from pvtt.files.append import append_line
from pvtt.files.own_pages import OwnPagesOnly
from pvtt.files.serve import AppServer, error_as_json
from pvtt.records.reviews import ANSWERS_FILE, Judged, ReviewAnswer, Verdict, read_answers

COMMAND = "pvtt data review"
PAGE = Path(__file__).with_name("review.html")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
VERDICTS: dict[str, Verdict | None] = {"keep": "keep", "turn_away": "turn_away", "take_back": None}
NUM_HELD = 3  # items whose pictures are kept: the one before, the one that is looked at, the next


class ReviewServer(AppServer):
    """Serves the page.

    Args:
        doubtful: What to answer on, and what was answered already; of equal contents the first is shown.
        root: The folder that their pictures and results are relative to.
        folder: Where the answers are kept.
        port: 0 takes a free one.

    Raises:
        PvttError: The port is taken.
    """

    def __init__(self, doubtful: Sequence[Doubtful], root: Path, folder: Path, port: int) -> None:
        self.folder = folder
        self.items: dict[str, Doubtful] = {}
        for one in doubtful:
            self.items.setdefault(token_of(one.judged), one)
        self._drawing = Lock()  # five frames of one clip are asked for at once, and decoded once
        self._drawn = lru_cache(maxsize=NUM_HELD)(lambda token: _drawn(self.items[token], root))
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/api/queue", self._queue),
                Route("/api/answer/{token}/{verdict}", self._answer, methods=["POST"]),
                Route("/picture/{token}/{number:int}", self._picture),
            ],
            middleware=[Middleware(OwnPagesOnly, command=COMMAND, headers=HEADERS)],
            exception_handlers={HTTPException: error_as_json},
        )
        super().__init__(app, port, f"another one may still run there; choose another port with `{COMMAND} --port 0`")

    def _page(self, request: Request) -> Response:
        return HTMLResponse(PAGE.read_text(encoding="utf-8"))

    def _queue(self, request: Request) -> Response:
        try:
            answers = read_answers(self.folder)
        except PvttError as error:
            raise HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error.message}: {error.hint}") from None
        places = {judged: place for place, judged in enumerate(answers)}
        return JSONResponse(
            [
                {
                    "token": token,
                    "kind": one.kind,
                    "name": one.name,
                    "product": one.product_id,
                    "reasons": one.reasons,
                    "confidence": one.confidence,
                    "pictures": num_pictures(one),
                    "verdict": answers[one.judged].verdict if one.judged in answers else None,
                    "place": places.get(one.judged),  # among all answers, for taking back the last
                }
                for token, one in self.items.items()
            ]
        )

    def _answer(self, request: Request) -> Response:
        one = self._find(request)
        verdict = request.path_params["verdict"]
        if verdict not in VERDICTS:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"an answer is one of {', '.join(VERDICTS)}")
        answer = ReviewAnswer(
            kind=one.kind,
            product_id=one.product_id,
            name=one.name,
            picture_sha256=one.picture_sha256,
            result_sha256=one.result_sha256,
            verdict=VERDICTS[verdict],
            answered_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        try:
            append_line(self.folder / ANSWERS_FILE, answer.to_json())
        except PvttError as error:  # the disk is full: the page must not believe that it was saved
            raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, f"{error.message}: {error.hint}") from None
        return JSONResponse({})

    def _picture(self, request: Request) -> Response:
        self._find(request)
        with self._drawing:
            drawn = self._drawn(request.path_params["token"])
        number = request.path_params["number"]
        if number >= len(drawn):
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such picture")
        return Response(drawn[number], media_type="image/jpeg")

    def _find(self, request: Request) -> Doubtful:
        one = self.items.get(request.path_params["token"])
        if one is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no such item: start `{COMMAND}` again")
        return one


def token_of(judged: Judged) -> str:
    """What stands for some contents in the page's requests."""
    return hashlib.sha256("\0".join(judged).encode()).hexdigest()[:16]


def _drawn(one: Doubtful, root: Path) -> tuple[bytes, ...]:
    """Its pictures as JPEG."""
    from PIL import Image

    shown = pictures(one, root)
    if shown is None:  # raised, so that it is not kept: the file may be there the next time
        raise HTTPException(HTTPStatus.NOT_FOUND, "it cannot be read: run `dvc checkout`, then reload the page")
    found = []
    for picture in shown:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return tuple(found)
