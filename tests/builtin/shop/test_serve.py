"""The shop is served as a site; what a web server does with files is in tests/files/test_serve.py."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from pvtt.builtin.shop.serve import serving
from pvtt.cli.shop import command
from pvtt.errors import MissingInputError, PvttError

FILM = bytes(range(256)) * 40


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "media").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Shop</title>")
    (folder / "media" / "film.mp4").write_bytes(FILM)
    (tmp_path / "secret.txt").write_text("not served")
    return folder


@pytest.fixture
def shop(site: Path) -> Iterator[http.client.HTTPConnection]:
    with serving(site) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        yield connection
        connection.close()


def _ask(
    shop: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    shop.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = shop.getresponse()
    return response, response.read()


def test_files_come_with_their_types(shop: http.client.HTTPConnection) -> None:
    response, body = _ask(shop, "/")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"Shop" in body
    response, body = _ask(shop, "/media/film.mp4?utm=1")
    assert response.headers["Content-Type"] == "video/mp4"
    assert body == FILM


def test_a_taken_port_is_a_clear_error(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PvttError, match=f"port {port} is in use") as caught, serving(site, port):
            pass
    assert caught.value.hint is not None
    assert "--port" in caught.value.hint


def test_a_missing_site_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"index\.html is missing"), serving(tmp_path):
        pass


def test_an_unknown_product_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["build", "--check", "--only", "JEWE999", "--site", str(tmp_path)])
    assert isinstance(result.exception, PvttError)
    assert "JEWE999" in result.exception.message
