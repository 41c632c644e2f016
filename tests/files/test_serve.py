"""One folder's files over real HTTP, asked for as browsers, crawlers and attackers do."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvtt.errors import PvttError
from pvtt.files.serve import HOST, MEDIA_TYPES, AppServer, folder_app
from tests.browser import wait_for

FILM = bytes(range(256)) * 40
BIG = 48 << 20  # bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    served = tmp_path / "served"
    (served / "media").mkdir(parents=True)
    (served / "pages").mkdir()
    (served / "index.html").write_text("<!doctype html><title>Start</title>")
    (served / "pages" / "index.html").write_text("<!doctype html><title>Pages</title>")
    (served / "media" / "film.mp4").write_bytes(FILM)
    (tmp_path / "secret.txt").write_text("not served")
    (tmp_path / "served-too").mkdir()
    (tmp_path / "served-too" / "secret.txt").write_text("not served")
    return served


@pytest.fixture
def server(folder: Path) -> Iterator[AppServer]:
    with AppServer(folder_app(folder), port=0) as running, running.in_thread():
        yield running


@pytest.fixture
def client(server: AppServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
    yield connection
    connection.close()


def ask(
    client: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = client.getresponse()
    return response, response.read()


class TestFiles:
    @pytest.mark.parametrize("suffix", [*MEDIA_TYPES, ".npy"])
    def test_each_has_its_type_on_every_machine(
        self, client: http.client.HTTPConnection, folder: Path, suffix: str
    ) -> None:
        (folder / f"file{suffix}").write_bytes(b"content")
        response, body = ask(client, f"/file{suffix}?utm=1")
        assert (response.status, body) == (200, b"content")
        kind = response.headers.get_content_type()
        assert kind == MEDIA_TYPES.get(suffix, "application/octet-stream").partition(";")[0]
        if response.headers.get_content_maintype() == "text":
            assert response.headers.get_content_charset() == "utf-8"

    def test_a_folder_answers_with_its_index(self, client: http.client.HTTPConnection) -> None:
        assert b"Start" in ask(client, "/")[1]
        assert b"Pages" in ask(client, "/pages/")[1]
        response, _ = ask(client, "/pages")
        assert response.status == 307
        assert response.headers["Location"].endswith("/pages/")

    def test_a_folder_without_an_index_is_not_listed(self, client: http.client.HTTPConnection) -> None:
        response, body = ask(client, "/media/")
        assert response.status == 404
        assert b"film" not in body

    def test_a_name_with_spaces_and_other_letters(self, client: http.client.HTTPConnection, folder: Path) -> None:
        (folder / "новое кольцо.txt").write_text("ring")
        assert ask(client, "/%D0%BD%D0%BE%D0%B2%D0%BE%D0%B5%20%D0%BA%D0%BE%D0%BB%D1%8C%D1%86%D0%BE.txt")[1] == b"ring"

    def test_head_sends_no_body(self, client: http.client.HTTPConnection) -> None:
        response, body = ask(client, "/media/film.mp4", method="HEAD")
        assert (response.status, body) == (200, b"")
        assert response.headers["Content-Length"] == str(len(FILM))
        assert response.headers["Accept-Ranges"] == "bytes"

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_nothing_can_be_changed(self, client: http.client.HTTPConnection, folder: Path, method: str) -> None:
        response, _ = ask(client, "/media/film.mp4", method=method)
        assert response.status == 405
        assert (folder / "media" / "film.mp4").read_bytes() == FILM


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-99", 0, 100),
            ("bytes=10000-", 10000, 10240),
            ("bytes=-40", 10200, 10240),
            ("bytes=-99999", 0, 10240),
            ("bytes=10-99999", 10, 10240),
            ("Bytes=10239-10239", 10239, 10240),
        ],
    )
    def test_one_is_answered_in_part(
        self, client: http.client.HTTPConnection, asked: str, start: int, end: int
    ) -> None:
        response, body = ask(client, "/media/film.mp4", Range=asked)
        assert response.status == 206
        assert body == FILM[start:end]
        assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(FILM)}"

    def test_several_are_answered_as_parts(self, client: http.client.HTTPConnection) -> None:
        response, body = ask(client, "/media/film.mp4", Range="bytes=0-9, 256-300")
        assert response.status == 206
        assert response.headers.get_content_type() == "multipart/byteranges"
        assert len(body) == int(response.headers["Content-Length"])
        for start, end in ((0, 10), (256, 301)):
            assert f"Content-Range: bytes {start}-{end - 1}/{len(FILM)}\r\n\r\n".encode() + FILM[start:end] in body

    @pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=10240-10241", "bytes=-0"])
    def test_one_beyond_the_end_is_refused(self, client: http.client.HTTPConnection, asked: str) -> None:
        response, _ = ask(client, "/media/film.mp4", Range=asked)
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{len(FILM)}"

    @pytest.mark.parametrize("asked", ["bytes=", "bytes=-", "bytes=9-5", "bytes=a-b", "pages=1-2", "0-9", "bytes=0-9;"])
    def test_what_is_no_byte_range_is_ignored(self, client: http.client.HTTPConnection, asked: str) -> None:
        response, body = ask(client, "/media/film.mp4", Range=asked)
        assert (response.status, body) == (200, FILM)

    def test_more_ranges_than_anyone_needs_get_the_whole_file(self, client: http.client.HTTPConnection) -> None:
        response, body = ask(client, "/media/film.mp4", Range="bytes=" + ",".join(["0-"] * 500))
        assert (response.status, body) == (200, FILM)

    def test_a_resumed_download_continues_only_the_same_version(self, client: http.client.HTTPConnection) -> None:
        first, _ = ask(client, "/media/film.mp4")
        for version in (first.headers["ETag"], first.headers["Last-Modified"]):
            response, body = ask(client, "/media/film.mp4", Range="bytes=100-", If_Range=version)
            assert (response.status, body) == (206, FILM[100:])
        for version in ('"older"', f"W/{first.headers['ETag']}", "Thu, 01 Jan 1970 00:00:00 GMT"):
            response, body = ask(client, "/media/film.mp4", Range="bytes=100-", If_Range=version)
            assert (response.status, body) == (200, FILM)


class TestConditionalRequests:
    def test_what_the_client_has_is_not_sent_again(self, client: http.client.HTTPConnection, folder: Path) -> None:
        first, _ = ask(client, "/media/film.mp4")
        tag, date = first.headers["ETag"], first.headers["Last-Modified"]
        for headers in (
            {"If_None_Match": tag},
            {"If_None_Match": "*"},
            {"If_None_Match": f'"x", W/{tag}'},
            {"If_Modified_Since": date},
            {"If_None_Match": tag, "If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        ):
            response, body = ask(client, "/media/film.mp4", **headers)
            assert (response.status, body) == (304, b"")
            assert response.headers["ETag"] == tag
        (folder / "media" / "film.mp4").write_bytes(FILM + b"!")
        response, body = ask(client, "/media/film.mp4", If_None_Match=tag)
        assert (response.status, body) == (200, FILM + b"!")

    def test_a_browser_asks_before_it_shows_its_copy(self, client: http.client.HTTPConnection) -> None:
        assert ask(client, "/media/film.mp4")[0].headers["Cache-Control"] == "no-cache"

    @pytest.mark.parametrize("date", ["yesterday", "Thu, 99 Jan 1970 00:00:00 GMT", "-1"])
    def test_what_is_no_date_is_ignored(self, client: http.client.HTTPConnection, date: str) -> None:
        assert ask(client, "/media/film.mp4", If_Modified_Since=date)[0].status == 200


class TestNothingElse:
    @pytest.mark.parametrize(
        "path",
        [
            "/missing",
            "/../secret.txt",
            "/media/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%2fsecret.txt",
            "/%252e%252e%252fsecret.txt",
            "/..%5csecret.txt",
            "/....//secret.txt",
            "/../served-too/secret.txt",
            "//etc/passwd",
            "/%2fetc%2fpasswd",
            "/media/film.mp4%00.html",
            "/%00",
            "/%ff",
            "/" + "a" * 5000,
        ],
    )
    def test_no_path_leaves_the_folder(self, client: http.client.HTTPConnection, path: str) -> None:
        response, body = ask(client, path)
        assert response.status == 404
        assert b"not served" not in body
        assert b"root:" not in body

    def test_no_absolute_path_is_served(self, client: http.client.HTTPConnection, folder: Path) -> None:
        assert ask(client, f"/{folder.parent}/secret.txt")[0].status == 404
        assert ask(client, str(folder / "index.html"))[0].status == 404

    def test_links_are_followed_only_within_the_folder(self, client: http.client.HTTPConnection, folder: Path) -> None:
        (folder / "out.txt").symlink_to(folder.parent / "secret.txt")
        (folder / "out").symlink_to(folder.parent)
        (folder / "loop").symlink_to("loop")
        (folder / "in.mp4").symlink_to(folder / "media" / "film.mp4")
        for path in ("/out.txt", "/out/secret.txt", "/loop"):
            response, body = ask(client, path)
            assert response.status == 404
            assert b"not served" not in body
        assert ask(client, "/in.mp4")[1] == FILM

    def test_a_pipe_is_no_file(self, client: http.client.HTTPConnection, folder: Path) -> None:
        os.mkfifo(folder / "pipe.txt")
        assert ask(client, "/pipe.txt")[0].status == 404

    @pytest.mark.parametrize("line", [b"nonsense", b"GET / HTTP/x", b"GET /\xff\xfe HTTP/1.1", b"GET  HTTP/1.1"])
    def test_what_is_no_request_ends_only_its_connection(
        self, server: AppServer, client: http.client.HTTPConnection, line: bytes
    ) -> None:
        with socket.create_connection((HOST, server.port), timeout=30) as raw:
            raw.sendall(line + b"\r\nHost: x\r\n\r\n")
            assert b" 200 " not in raw.recv(4096)
        assert ask(client, "/")[0].status == 200

    def test_only_the_loopback_is_bound(self, server: AppServer) -> None:
        assert server.url == f"http://127.0.0.1:{server.port}/"
        with socket.create_server(("127.0.0.2", server.port)):
            pass  # free, as it would not be if every address were bound


class TestBigFiles:
    @pytest.fixture
    def big(self, folder: Path) -> Path:
        path = folder / "big.mp4"
        with path.open("wb") as file:
            file.truncate(BIG)
        return path

    def test_memory_is_bounded_however_slow_the_client_is(
        self, server: AppServer, client: http.client.HTTPConnection, big: Path
    ) -> None:
        stalled = http.client.HTTPConnection(HOST, server.port, timeout=30)
        tracemalloc.start()
        try:
            stalled.request("GET", "/big.mp4")
            response = stalled.getresponse()
            assert response.headers["Content-Length"] == str(BIG)
            response.read(1 << 20)
            assert ask(client, "/media/film.mp4")[1] == FILM  # others are answered meanwhile
            left = BIG - (1 << 20)
            while left > 0:
                left -= len(response.read(1 << 16))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            stalled.close()
        assert peak < 8 << 20

    def test_a_client_that_goes_away_leaves_nothing_behind(
        self, server: AppServer, client: http.client.HTTPConnection, big: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for _ in range(3):
            leaving = http.client.HTTPConnection(HOST, server.port, timeout=30)
            leaving.request("GET", "/big.mp4")
            leaving.getresponse().read(1 << 16)
            assert is_open(big)
            leaving.close()
        wait_for(lambda: not is_open(big), "the file to be closed")
        assert ask(client, "/media/film.mp4")[1] == FILM
        assert capfd.readouterr().err == ""


def is_open(path: Path) -> bool:
    """Whether this process has the file open."""
    return any(link.exists() and link.samefile(path) for link in Path("/proc/self/fd").iterdir())


SERVE = """
import sys
from pathlib import Path
from pvtt.files.serve import AppServer, folder_app
with AppServer(folder_app(Path(sys.argv[1])), port=0) as server:
    print(server.port, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("stopped")
"""


def test_ctrl_c_ends_it_while_a_browser_still_loads(folder: Path, project_root: Path) -> None:
    with (folder / "big.mp4").open("wb") as file:
        file.truncate(BIG)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder)],
        env=os.environ | {"PYTHONPATH": str(project_root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        stalled = http.client.HTTPConnection(HOST, port, timeout=30)
        stalled.request("GET", "/big.mp4")
        response = stalled.getresponse()
        assert response.status == 200
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        stalled.close()
    assert (output, errors, process.returncode) == ("stopped\n", "", 0)


class TestPorts:
    def test_a_taken_one_is_a_clear_error(self, folder: Path) -> None:
        with socket.create_server((HOST, 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(PvttError, match=f"cannot serve on {HOST}:{port}: port {port} is in use") as caught:
                AppServer(folder_app(folder), port)
        assert "--port" in (caught.value.hint or "")

    def test_one_that_does_not_exist_is_a_clear_error(self, folder: Path) -> None:
        with pytest.raises(PvttError, match="port 99999 does not exist"):
            AppServer(folder_app(folder), 99999)

    def test_it_is_free_again_afterwards(self, folder: Path) -> None:
        with AppServer(folder_app(folder), 0) as first, first.in_thread():
            port = first.port
        with AppServer(folder_app(folder), port) as again:
            assert again.port == port
