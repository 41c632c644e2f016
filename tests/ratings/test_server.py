"""The rating page over HTTP, and in a real browser."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvtt.errors import PvttError
from pvtt.files.serve import HOST
from pvtt.ratings.server import RatingServer
from pvtt.ratings.store import RatingStore
from pvtt.records.base import read_jsonl
from pvtt.records.evaluation import EvaluatedSample
from tests.axe import violations
from tests.browser import console_errors, open_browser, wait_for
from tests.evaluated import EvaluatedProject

RUN = "0123456789ab"
KEY = "0123456789abcdef-key"


@pytest.fixture
def server(evaluated_project: EvaluatedProject, tmp_path: Path) -> Iterator[RatingServer]:
    workspace = evaluated_project.workspace
    out = workspace.out("evaluate")
    samples = read_jsonl(out / "evaluated.jsonl", EvaluatedSample)
    store = RatingStore(tmp_path / "ratings" / f"{RUN}.jsonl")
    with RatingServer(RUN, samples, out, workspace.root, store, port=0) as running, running.in_thread():
        yield running


def request(
    server: RatingServer, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    sent = {"Content-Type": "application/json"} | (headers or {})
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    answer = connection.getresponse()
    result = (answer.status, answer.read(), answer.headers)
    connection.close()
    return result


def queue(server: RatingServer, rater: str = "ann") -> list[dict[str, Any]]:
    status, body, _ = request(server, "GET", f"/api/queue?rater={rater}")
    assert status == 200
    return list(json.loads(body))


def test_blind_and_shuffled_per_rater(server: RatingServer) -> None:
    first = [item["token"] for item in queue(server, "ann")]
    assert first == [item["token"] for item in queue(server, "ann")]
    request(server, "POST", "/api/rate", {"rater": "ann", "token": first[0], "score": 3})
    second = [item["token"] for item in queue(server, "bob")]
    assert sorted(second) != second != first
    assert [item["token"] for item in queue(server, "ann")] == first
    _, page, _ = request(server, "GET", "/")
    seen = page + json.dumps(queue(server)).encode()
    for item in server.items.values():
        assert item.showing.sample.product_id.encode() not in seen
        assert item.showing.sample.key.encode() not in seen
        assert item.showing.shown.encode() not in seen
    assert RUN.encode() not in seen


def test_a_click_is_on_disk_when_it_is_answered_and_survives(server: RatingServer) -> None:
    token = queue(server)[0]["token"]
    assert request(server, "POST", "/api/rate", {"rater": "ann", "token": token, "score": 4})[0] == 200
    (line,) = server.store.path.read_text().splitlines()
    assert json.loads(line)["score"] == 4
    assert {item["token"]: item["score"] for item in queue(server)}[token] == 4
    assert all(item["score"] is None for item in queue(server, "bob"))


@pytest.mark.parametrize(
    "body",
    [
        {"rater": "ann", "token": "nope", "score": 3},
        {"rater": "ann", "score": 3},
        {"rater": "../ann", "token": "TOKEN", "score": 3},
        {"rater": "ann", "token": "TOKEN", "score": 6},
        {"rater": "ann", "token": "TOKEN", "score": "3"},
        {"rater": "ann", "token": "TOKEN", "score": True},
        {"rater": "ann", "token": "TOKEN", "score": 3, "run_id": "another"},
        [],
        "text",
    ],
)
def test_nonsense_is_refused_and_not_saved(server: RatingServer, body: Any) -> None:
    if isinstance(body, dict) and body.get("token") == "TOKEN":
        body = body | {"token": queue(server)[0]["token"]}
    assert request(server, "POST", "/api/rate", body)[0] == 400
    assert not server.store.path.exists()


def test_another_page_or_host_name_is_refused(server: RatingServer) -> None:
    token = queue(server)[0]["token"]
    body = {"rater": "ann", "token": token, "score": 3}
    assert request(server, "POST", "/api/rate", body, {"Origin": "http://evil.example"})[0] == 403
    assert request(server, "GET", f"/video/{token}", headers={"Host": "evil.example"})[0] == 403
    assert request(server, "POST", "/api/rate", body, {"Content-Type": "text/plain"})[0] == 404
    assert not server.store.path.exists()


@pytest.mark.parametrize("body", [b"[" * 4000, b'{"rater":' * 400, b"\xff\xfe", b"", b'{"score": 1e999}'])
def test_what_is_no_json_is_refused(server: RatingServer, body: bytes) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
    connection.request("POST", "/api/rate", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 400
    assert "score from 1 to 5" in json.loads(answer.read())["error"]
    connection.close()
    assert not server.store.path.exists()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_too_long_is_not_read_to_its_end(server: RatingServer, is_chunked: bool) -> None:
    pieces = [b" " * 1024] * 8
    connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
    body = iter(pieces) if is_chunked else b"".join(pieces)
    connection.request("POST", "/api/rate", body, {"Content-Type": "application/json"}, encode_chunked=is_chunked)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (400, {"error": "too long a body"})
    connection.close()


def test_a_click_that_breaks_off_is_neither_saved_nor_an_error(
    server: RatingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection((HOST, server.port), timeout=30) as raw:
        head = f"POST /api/rate HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n".encode())
        assert b"100 Continue" in raw.recv(4096)  # the server waits for the body
        raw.sendall(b'{"rater":')
    queue(server)  # answered by the same loop, after it has seen the end of the connection before
    assert not server.store.path.exists()
    assert caplog.messages == []


def test_the_page_works_through_a_tunnel_on_another_port(server: RatingServer) -> None:
    tunnel = {"Host": "localhost:9000", "Origin": "http://localhost:9000"}
    token = queue(server)[0]["token"]
    assert request(server, "GET", "/", headers=tunnel)[0] == 200
    assert request(server, "POST", "/api/rate", {"rater": "ann", "token": token, "score": 3}, tunnel)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "evil.example:8766"},
        {"Host": "localhost:8766@evil.example"},
        {"Host": ""},
        {"Host": "localhost:9000", "Origin": "http://localhost:3000"},  # another program's page on this machine
        {"Host": "localhost:9000", "Origin": "null"},
        {"Host": "localhost:9000", "Origin": "https://localhost:9000"},
    ],
    ids=str,
)
def test_only_its_own_pages_may_ask(server: RatingServer, headers: dict[str, str]) -> None:
    status, body, answered = request(server, "GET", "/api/queue?rater=ann", headers=headers)
    assert status == 403
    assert "pvtt rate" in json.loads(body)["error"]
    assert "Access-Control-Allow-Origin" not in answered


@pytest.fixture
def shared(evaluated_project: EvaluatedProject, tmp_path: Path) -> Iterator[RatingServer]:
    """As by `--host`: on another address, for those with the key."""
    workspace = evaluated_project.workspace
    out = workspace.out("evaluate")
    samples = read_jsonl(out / "evaluated.jsonl", EvaluatedSample)
    store = RatingStore(tmp_path / "ratings" / f"{RUN}.jsonl")
    with (
        RatingServer(RUN, samples, out, workspace.root, store, port=0, host="127.0.0.2", key=KEY) as running,
        running.in_thread(),
    ):
        yield running


def test_by_the_link_others_rate_from_any_name_of_the_machine(shared: RatingServer) -> None:
    assert shared.url.startswith("http://127.0.0.2:")
    status, _, headers = request(shared, "GET", f"/?key={KEY}", headers={"Host": "gpu-box:8766"})
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    known = {"Cookie": cookie.partition(";")[0], "Host": "gpu-box:8766", "Origin": "http://gpu-box:8766"}
    assert request(shared, "GET", "/", headers=known)[0] == 200
    status, body, _ = request(shared, "GET", "/api/queue?rater=ann", headers=known)
    token = json.loads(body)[0]["token"]
    assert request(shared, "GET", f"/video/{token}", headers=known)[0] == 200
    assert request(shared, "POST", "/api/rate", {"rater": "ann", "token": token, "score": 5}, known)[0] == 200
    assert len(shared.store.latest()) == 1
    other = known | {"Origin": "http://evil.example"}
    assert request(shared, "POST", "/api/rate", {"rater": "ann", "token": token, "score": 1}, other)[0] == 403


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/?key=", {}),
        ("/?key=another-key", {}),
        ("/?key=schlüssel".replace("ü", "%C3%BC"), {}),
        ("/api/queue?rater=ann", {"Cookie": "pvtt-rate=another-key"}),
        ("/api/queue?rater=ann", {"Host": "127.0.0.1:8766"}),
    ],
)
def test_without_the_key_nobody_is_let_in(shared: RatingServer, path: str, headers: dict[str, str]) -> None:
    status, body, answered = request(shared, "GET", path, headers=headers)
    assert (status, "Set-Cookie" in answered) == (403, False)
    assert "whole address" in json.loads(body)["error"]


def test_no_page_is_open_to_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a key"):
        RatingServer(RUN, [], tmp_path, tmp_path, RatingStore(tmp_path / "r.jsonl"), 0, host="0.0.0.0")


def test_every_answer_forbids_what_the_page_does_not_need(server: RatingServer) -> None:
    token = queue(server)[0]["token"]
    for path in ("/", "/api/queue?rater=ann", f"/video/{token}", f"/photo/{token}/0", "/nothing"):
        headers = request(server, "GET", path)[2]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_a_video_that_is_gone_says_what_to_do(server: RatingServer, tmp_path: Path) -> None:
    token = queue(server)[0]["token"]
    video = server.items[token].video
    video.rename(tmp_path / "away.mp4")
    try:
        status, body, _ = request(server, "GET", f"/video/{token}")
    finally:
        (tmp_path / "away.mp4").rename(video)
    assert status == 404
    assert "dvc checkout" in json.loads(body)["error"]


@pytest.mark.parametrize(
    "path",
    ["/../params.yaml", "/video/../../params.yaml", "/video/%2e%2e%2fparams.yaml", "/photo/x/0", "/video/", "/nothing"],
)
def test_no_request_names_a_path(server: RatingServer, path: str) -> None:
    assert request(server, "GET", path)[0] == 404


def test_photos(server: RatingServer) -> None:
    item = queue(server)[0]
    assert item["photos"] == 3
    status, body, headers = request(server, "GET", f"/photo/{item['token']}/0")
    assert (status, headers["Content-Type"], body[:4]) == (200, "image/png", b"\x89PNG")
    assert request(server, "GET", f"/photo/{item['token']}/3")[0] == 404


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-50", 206, slice(-50, None)),
        ("bytes=0-99999999", 206, slice(0, None)),
        ("bytes=99999999-", 416, slice(0, 0)),
        ("bytes=-", 200, slice(0, None)),
        ("pages=1-2", 200, slice(0, None)),
    ],
)
def test_ranges(server: RatingServer, asked: str, status: int, expected: slice) -> None:
    token = queue(server)[0]["token"]
    whole = server.items[token].video.read_bytes()
    answered, body, headers = request(server, "GET", f"/video/{token}", headers={"Range": asked})
    assert (answered, body) == (status, whole[expected])
    if status == 206:
        assert headers["Content-Range"].endswith(f"/{len(whole)}")


def test_a_taken_port_says_so(server: RatingServer, tmp_path: Path) -> None:
    samples = [item.showing.sample for item in server.items.values()]
    with pytest.raises(PvttError, match=f"cannot serve on {HOST}:{server.port}") as error:
        RatingServer(RUN, samples, tmp_path, tmp_path, server.store, server.port)
    assert "--port 0" in (error.value.hint or "")


def test_nothing_to_rate_says_so(tmp_path: Path) -> None:
    with pytest.raises(PvttError, match="no test videos to rate"):
        RatingServer(RUN, [], tmp_path, tmp_path, RatingStore(tmp_path / "r.jsonl"), 0)


def test_a_person_rates_by_key_and_click_and_comes_back(server: RatingServer, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with open_browser(tmp_path / "profile") as browser:
        browser.get(server.url)
        faults = violations(browser)
        browser.find_element(By.ID, "name").send_keys("ann", Keys.ENTER)
        wait_for(lambda: browser.find_element(By.ID, "rate").is_displayed(), "the first video")
        assert faults + violations(browser) == []
        wait_for(lambda: browser.execute_script("return video.readyState >= 2 && video.currentTime > 0"), "it to play")
        assert len(browser.find_elements(By.CSS_SELECTOR, "#photos img")) == 3
        assert browser.execute_script("return [...document.images].every(image => image.naturalWidth > 0)")

        browser.find_element(By.TAG_NAME, "body").send_keys("4")
        wait_for(lambda: len(server.store.latest()) == 1, "the first rating")
        browser.refresh()  # comes back later
        browser.find_element(By.ID, "name").send_keys("ann", Keys.ENTER)
        wait_for(lambda: "1 rated" in browser.find_element(By.ID, "place").text, "the second video")
        browser.find_elements(By.CSS_SELECTOR, "#scale button")[1].click()
        place = browser.find_element(By.ID, "place")
        for number in range(3, server.num_videos + 1):
            rated = f"{number - 1} rated"
            wait_for(lambda: rated in place.text and browser.execute_script("return !saving"), "the next")  # noqa: B023
            browser.find_element(By.TAG_NAME, "body").send_keys("3")
        wait_for(lambda: browser.find_element(By.ID, "done").is_displayed(), "the end")
        scores = [rating.score for rating in server.store.latest().values()]
        assert scores == [4, 2, *[3] * (server.num_videos - 2)]
        assert {rating.shown for rating in server.store.latest().values()} == {"generated", "ground_truth", "mean_fill"}
        assert [rating.again for rating in server.store.latest().values()] == [*[False] * 6, True]
        assert console_errors(browser) == []
