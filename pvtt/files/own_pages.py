"""Pages for who sits at this machine: no other name of the host, no other origin's page."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = ("127.0.0.1", "localhost")


class OwnPagesOnly:
    """Refuses requests that do not name the loopback, or that a page of another origin sends: one that is open in the
    same browser can neither read nor do anything. Any port is allowed in the name, since `ssh -L` brings an app to
    another one.

    Args:
        app: What answers the others.
        command: That shows the app's address.
        headers: Of every answer.
    """

    def __init__(self, app: ASGIApp, command: str, headers: Mapping[str, str]) -> None:
        self._app, self._headers = app, headers
        self._refusal = JSONResponse(
            {"error": f"open the page by the address that `{command}` shows"}, HTTPStatus.FORBIDDEN
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

        app = self._app if _is_own(Headers(scope=scope)) else self._refusal
        await app(scope, receive, send_with_headers)


def _is_own(headers: Headers) -> bool:
    host = headers.get("Host", "")
    name, _, port = host.partition(":")
    is_local = name in LOCAL_NAMES and (port == "" or port.isdecimal())
    return is_local and headers.get("Origin") in (None, f"http://{host}")
