"""Pages for who sits at this machine, or has the key: no other origin's page."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = ("127.0.0.1", "localhost")
COOKIE = "pvtt-key"


class OwnPagesOnly:
    """Refuses requests that a page of another origin sends: one that is open in the same browser can neither read nor
    do anything.

    Without a key it also refuses those that do not name the loopback. Any port is allowed in the name, since `ssh -L`
    brings an app to another one. With a key it refuses those without it: a link, `/?key=…`, brings it, and from there
    on the browser keeps it.

    Args:
        app: What answers the others.
        command: That shows the app's address.
        headers: Of every answer.
        key: What a browser must have been given; None: the loopback's name will do.
    """

    def __init__(self, app: ASGIApp, command: str, headers: Mapping[str, str], key: str | None = None) -> None:
        self._app, self._headers, self._key = app, headers, key
        self._refusal = JSONResponse(
            {"error": f"open the page by the whole address that `{command}` shows"}, HTTPStatus.FORBIDDEN
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._answer(Request(scope))(scope, receive, send_with_headers)

    def _answer(self, request: Request) -> ASGIApp:
        host = request.headers.get("Host", "")
        if not host or request.headers.get("Origin") not in (None, f"http://{host}"):
            return self._refusal
        if self._key is None:
            name, _, port = host.partition(":")
            return self._app if name in LOCAL_NAMES and (port == "" or port.isdecimal()) else self._refusal
        if _is_same(request.query_params.get("key"), self._key):
            answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)  # so that the key leaves the address
            answer.set_cookie(COOKIE, self._key, httponly=True, samesite="strict")
            return answer
        return self._app if _is_same(request.cookies.get(COOKIE), self._key) else self._refusal


def _is_same(given: str | None, key: str) -> bool:
    return given is not None and secrets.compare_digest(given.encode(), key.encode())
