"""A small web server, on the loopback unless told: the files of one folder, or an app with routes of its own.

Starlette answers conditional requests and ranges, and looks for files in the folder only; uvicorn runs it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from pvtt.errors import PvttError

HOST = "127.0.0.1"
KEEP_ALIVE_S = 60  # of an idle connection
CUT_AFTER_S = 1  # of a transfer that is under way when the server is to stop

# Not those of the machine's /etc/mime.types, so that every machine serves the same.
MEDIA_TYPES = {
    ".css": "text/css",
    ".csv": "text/csv",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".xml": "application/xml; charset=utf-8",
}
_RANGE = r"\s*(?:\d{1,18}-\d{0,18}|-\d{1,18})\s*"
_BYTE_RANGES = re.compile(rf"bytes={_RANGE}(?:,{_RANGE})*", re.IGNORECASE)


class FolderFiles(StaticFiles):
    """The files of a folder, and the `index.html` of each folder in it. Links that lead out of it are not followed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """The file that a request names; none where the disk does not say: a loop of links, a folder kept private."""
        try:
            return super().lookup_path(path)
        except OSError:
            return "", None

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """A file whose copy a client asks about before it uses it again."""
        response = FileResponse(
            full_path,
            status_code=status_code,
            headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"},
            media_type=MEDIA_TYPES.get(Path(full_path).suffix, "application/octet-stream"),
            stat_result=stat_result,
        )
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


def folder_app(folder: Path) -> Starlette:
    """An app that serves the files of one folder, and lists none."""
    return Starlette(routes=[Mount("/", FolderFiles(folder))])


def error_as_json(request: Request, error: Exception) -> Response:
    """What an app's page reads of an error: its handler of `HTTPException`."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


class AppServer:
    """An app on a port. The port is bound at once, and let go by `close` or at the end of a `with`.

    Args:
        app: The application that answers the requests.
        port: 0 takes a free one.
        hint: What to do when the port cannot be had.
        log_requests: Print one line a request to stderr.
        host: The address to listen on; the loopback is reached from this machine alone.
        lifespan: Tell the app when it starts and ends, and end where it cannot start.

    Raises:
        PvttError: The port is in use, needs privileges, or there is no such port.
    """

    def __init__(
        self,
        app: ASGIApp,
        port: int,
        hint: str = "stop what uses it, or choose another port: `--port 0` takes a free one",
        log_requests: bool = False,
        host: str = HOST,
        lifespan: bool = False,
    ) -> None:
        try:
            self._socket = socket.create_server((host, port))
        except (OSError, OverflowError) as error:
            raise PvttError(f"cannot serve on {host}:{port}: {_reason(error, port)}", hint) from None
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        if log_requests:
            _print_requests()
        self._server = _Server(
            uvicorn.Config(
                _ignoring_other_ranges(app),
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="on" if lifespan else "off",
                log_config=None,  # its own would replace the handlers of the process that serves from a thread
                access_log=log_requests,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
            )
        )

    @property
    def url(self) -> str:
        """Where the app answers, `http://127.0.0.1:8765/` for example."""
        return f"http://{self.host}:{self.port}/"

    def serve_forever(self) -> None:
        """Serve until `stop`, or until Ctrl-C in the main thread, which then raises `KeyboardInterrupt`."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Make `serve_forever` return, from any thread."""
        self._server.should_exit = True

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """Serve from a thread for the block."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            thread.join()

    def close(self) -> None:
        """Let the port go."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Server(uvicorn.Server):
    """Ends within moments: a browser that shows a video keeps its transfer open for as long as the page is."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(CUT_AFTER_S, self._cut)
        await super().shutdown(sockets)

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _reason(error: OSError | OverflowError, port: int) -> str:
    if isinstance(error, OverflowError):
        return f"port {port} does not exist"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use"
    return error.strerror or str(error)


def _print_requests() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s"))
    logger = logging.getLogger("uvicorn.access")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _ignoring_other_ranges(app: ASGIApp) -> ASGIApp:
    """`app` without sight of a `Range` that is no byte range: RFC 9110, 14.2 ignores it, Starlette answers with 400."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(name, value) for name, value in scope["headers"] if name != b"range" or _is_byte_range(value)]
            scope = {**scope, "headers": headers}
        await app(scope, receive, send)

    return answer


def _is_byte_range(value: bytes) -> bool:
    text = value.decode("latin-1")
    return _BYTE_RANGES.fullmatch(text) is not None and not any(
        int(first) > int(last) for first, last in re.findall(r"(\d+)-(\d+)", text)
    )
