"""The page on a port of the loopback.

    /                 the page (Gradio's)
    /gradio_api/...   its calls; uploads go to a scratch folder and are kept by their hash once they are used
    /shown/<token>/…  pictures and films that the page shows

Requests for another host's name and those of another origin's page are refused, and the page's own policy lets a
browser load from here alone. Gradio serves what was uploaded, and no other file, and is told to send nothing
to its makers.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pvtt.errors import PvttError
from pvtt.files.atomic import scratch_directory, sweep_temporaries
from pvtt.files.own_pages import OwnPagesOnly
from pvtt.files.serve import HOST, AppServer
from pvtt.files.storage import storage_errors
from pvtt.studio.page import Page
from pvtt.studio.shelf import Shelf
from pvtt.studio.work import Studio

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; "
    "worker-src 'self' blob:; frame-ancestors 'none'; form-action 'self'; base-uri 'self'",
    "Referrer-Policy": "no-referrer",
}
FONTS = ["system-ui", "Segoe UI", "sans-serif"]
MONO = ["ui-monospace", "Menlo", "Consolas", "monospace"]
SWITCHES = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
PROXY = "/gradio_api/file=http"  # Gradio would fetch an address for the page


@contextmanager
def open_studio(out: Path, model: Path, port: int) -> Iterator[AppServer]:
    """The server of a page whose ads go to a folder, until the block ends; `serve_forever` or `in_thread` runs it.

    Raises:
        PvttError: The extra `studio` is not installed, or the port is taken.
        StorageError: The folder cannot be written.
    """
    _require_gradio()
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    out = out.resolve()
    sweep_temporaries(out)
    with scratch_directory(out) as scratch:
        _switch_off(scratch / "uploads")
        shelf = Shelf()
        studio = Studio(out, model, scratch / "pictures")
        hint = "another `pvtt studio` may still run there; choose another port with `pvtt studio --port 0`"
        with AppServer(_app(studio, shelf), port, hint, lifespan=True) as server:
            yield server


def _switch_off(uploads: Path) -> None:
    """What Gradio reads when it is imported, and where it puts uploads."""
    os.environ.update(SWITCHES | {"GRADIO_TEMP_DIR": str(uploads)})


def _require_gradio() -> None:
    if find_spec("gradio") is None:
        raise PvttError("the package gradio is not installed", "pip install 'pvtt[studio]'")


def _app(studio: Studio, shelf: Shelf) -> ASGIApp:
    import gradio as gr
    from fastapi import FastAPI

    here = Path(__file__).parent
    page = Page(studio, shelf).build()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        studio.stop()  # or the server would wait for the whole film

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.router.routes.append(shelf.route)
    options: dict[str, Any] = {"ssr_mode": False, "pwa": False, "mcp_server": False, "enable_monitoring": False}
    app = gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=HOST,
        footer_links=[],
        run_history=False,
        allowed_paths=[str(studio.inputs.folder)],
        show_error=False,
        theme=gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=MONO).set(
            body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_400"
        ),
        css=(here / "studio.css").read_text(encoding="utf-8"),
        head=f"<script>{(here / 'studio.js').read_text(encoding='utf-8')}</script>",
        **options,
    )
    return OwnPagesOnly(_no_proxy(app), "pvtt studio", HEADERS)


def _no_proxy(app: ASGIApp) -> ASGIApp:
    """`app` without Gradio's way to fetch another address."""
    refusal = JSONResponse({"error": "only this machine's files are shown"}, HTTPStatus.FORBIDDEN)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_proxy = scope["type"] == "http" and scope["path"].startswith(PROXY)
        await (refusal if is_proxy else app)(scope, receive, send)

    return answer
