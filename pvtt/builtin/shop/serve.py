"""Serves a static shop on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.errors import MissingInputError

if TYPE_CHECKING:
    from pvtt.files.serve import AppServer

SITE = Path(__file__).parent / "site"
PORT = 8765


def open_server(site: Path, port: int, verbose: bool = False) -> AppServer:
    """Bind the port; serve with `serve_forever`.

    Args:
        site: Folder with an `index.html`.
        port: 0 picks a free one.
        verbose: Print one line a request.

    Raises:
        MissingInputError: There is no site.
        PvttError: The port is taken, or needs privileges.
    """
    from pvtt.files.serve import AppServer, folder_app

    if not (site / "index.html").is_file():
        raise MissingInputError(
            f"no shop in {site}: index.html is missing",
            "restore it with `git checkout pvtt/builtin/shop/site`, or render it with `pvtt shop build`",
        )
    hint = "stop what uses it, or choose another: `pvtt shop serve --port N` and crawl.start in params.yaml"
    return AppServer(folder_app(site), port, hint, log_requests=verbose)


@contextmanager
def serving(site: Path = SITE, port: int = 0) -> Iterator[str]:
    """Serve a shop from a thread for the block; yields its URL, `http://127.0.0.1:8765/` for example.

    Raises as `open_server`.
    """
    with open_server(site, port) as server, server.in_thread():
        yield server.url
