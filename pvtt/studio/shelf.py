"""The files that the page may show: each has a token, and no request names a path."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from pvtt.files.serve import MEDIA_TYPES

PLACE = "/shown"


class Shelf:
    """Serves what was put on it, under tokens that nobody can guess."""

    def __init__(self) -> None:
        self._tokens: dict[Path, str] = {}
        self._files: dict[str, Path] = {}

    def url(self, path: Path) -> str:
        """Put a file on the shelf, and return where it is: the same place each time."""
        token = self._tokens.setdefault(path, secrets.token_urlsafe(12))
        self._files[token] = path
        return f"{PLACE}/{token}/{quote(path.name, safe='')}"

    @property
    def route(self) -> Route:
        """Where the files are."""
        return Route(f"{PLACE}/{{token}}/{{name}}", self._answer)

    def _answer(self, request: Request) -> Response:
        path = self._files.get(request.path_params["token"])
        if path is None or not path.is_file():
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such file")
        media_type = MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        return FileResponse(path, media_type=media_type, headers=headers)
