"""The page of pairs over HTTP, and in a real browser."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvtt.bench.kept import read_films
from pvtt.bench.votes import compared, contests, find_photos, vote_store
from pvtt.errors import PvttError
from pvtt.ratings.pair_server import PairServer
from pvtt.ratings.pairs import TRUTH
from tests.axe import violations
from tests.bench.voted import CONTENDERS, TRIPLET_NAMES, write_run
from tests.browser import console_errors, open_browser, wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PairServer]:
    run = write_run(tmp_path)
    samples = contests(tmp_path, run, read_films(tmp_path, run), find_photos(run))
    with PairServer(samples, compared(run), vote_store(tmp_path), port=0) as running, running.in_thread():
        yield running


def request(server: PairServer, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    sent = {"Content-Type": "application/json"} | headers
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    answer = connection.getresponse()
    result = (answer.status, answer.read())
    connection.close()
    return result


def queue(server: PairServer, rater: str = "ann") -> list[dict[str, Any]]:
    status, body = request(server, "GET", f"/api/queue?rater={rater}")
    assert status == 200
    return list(json.loads(body))


def test_a_pair_is_blind_and_has_both_films_and_the_photos(server: PairServer) -> None:
    items = queue(server)
    assert len(items) == server.num_pairs == 9 + 2 + 1
    seen = request(server, "GET", "/")[1] + json.dumps(items).encode()
    for word in (*CONTENDERS, TRUTH, *TRIPLET_NAMES):
        assert word.encode() not in seen
    for item in items:
        pair = server.pairs[item["token"]]
        for side, film in zip(("left", "right"), pair.films, strict=True):
            assert request(server, "GET", f"/video/{item[side]}") == (200, film.path.read_bytes())
        photo = pair.contest.photos[0]
        assert request(server, "GET", f"/photo/{item['token']}/0") == (200, photo.read_bytes())
        assert request(server, "GET", f"/photo/{item['token']}/{item['photos']}")[0] == 404


def test_a_click_is_on_disk_when_it_is_answered_and_is_shown_again(server: PairServer) -> None:
    item = queue(server)[0]
    assert request(server, "POST", "/api/vote", {"rater": "Ann ", "token": item["token"], "choice": "right"})[0] == 200
    (line,) = server.store.path("ann").read_text().splitlines()
    pair, vote = server.pairs[item["token"]], json.loads(line)
    assert (vote["rater"], vote["item"], vote["choice"]) == ("ann", pair.contest.item, "right")
    assert (vote["left"], vote["right"]) == (pair.left, pair.right)
    assert [found["choice"] for found in queue(server)] == ["right", *[None] * (server.num_pairs - 1)]
    assert not any(found["choice"] for found in queue(server, "bob"))


@pytest.mark.parametrize(
    "body",
    [
        {"rater": "ann", "token": "nope", "choice": "left"},
        {"rater": "ann", "token": "FILM", "choice": "left"},
        {"rater": "../ann", "token": "TOKEN", "choice": "left"},
        {"rater": "ann", "token": "TOKEN", "choice": "both"},
        {"rater": "ann", "token": "TOKEN", "choice": 1},
        {"rater": "ann", "token": "TOKEN"},
        {"rater": "ann", "token": "TOKEN", "choice": "left", "again": True},
        [],
    ],
)
def test_nonsense_is_refused_and_not_saved(server: PairServer, body: Any) -> None:
    if isinstance(body, dict):
        item = queue(server)[0]
        body = body | {"token": {"TOKEN": item["token"], "FILM": item["left"]}.get(body["token"], body["token"])}
    status, answer = request(server, "POST", "/api/vote", body)
    assert status == 400
    assert "left, right, equal or skip" in json.loads(answer)["error"]
    assert not server.store.folder.exists()


def test_another_page_is_refused(server: PairServer) -> None:
    body = {"rater": "ann", "token": queue(server)[0]["token"], "choice": "left"}
    assert request(server, "POST", "/api/vote", body, Origin="http://evil.example")[0] == 403
    assert not server.store.folder.exists()


def test_a_film_that_was_made_anew_takes_no_vote(server: PairServer) -> None:
    item = queue(server)[0]
    film = server.pairs[item["token"]].films[0].path
    film.write_bytes(film.read_bytes() + b"x")
    status, answer = request(server, "POST", "/api/vote", {"rater": "ann", "token": item["token"], "choice": "left"})
    assert status == 507
    assert "start `pvtt rate` again" in json.loads(answer)["error"]
    assert not server.store.folder.exists()


def test_a_vote_that_cannot_be_written_is_not_confirmed(server: PairServer) -> None:
    server.store.folder.mkdir()
    server.store.path("ann").symlink_to("/dev/full")
    body = {"rater": "ann", "token": queue(server, "bob")[0]["token"], "choice": "left"}
    status, answer = request(server, "POST", "/api/vote", body)
    assert status == 507
    assert json.loads(answer)["error"]


def test_a_run_without_two_contenders_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    samples = contests(tmp_path, run, read_films(tmp_path, run))
    with pytest.raises(PvttError, match="no two contenders"):
        PairServer(samples, ["model"], vote_store(tmp_path), port=0)


def test_a_film_that_is_missing_is_stood_for_by_the_template(tmp_path: Path) -> None:
    run = write_run(tmp_path, without=("model", "006-ring-as-box"))
    samples = {one.item: one for one in contests(tmp_path, run, read_films(tmp_path, run))}
    assert samples["006-ring-as-box"].films["model"].path.parent.name == "source_copy"
    assert samples["002-ring-as-ring"].films["model"].path.parent.name == "model"


def test_a_person_votes_by_key_and_click_and_comes_back(server: PairServer, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with open_browser(tmp_path / "profile") as browser:
        browser.get(server.url)
        faults = violations(browser)
        browser.find_element(By.ID, "name").send_keys("ann", Keys.ENTER)
        wait_for(lambda: browser.find_element(By.ID, "rate").is_displayed(), "the first pair")
        assert faults + violations(browser) == []
        playing = "return [left, right].every(video => video.readyState >= 2 && video.currentTime > 0)"
        wait_for(lambda: browser.execute_script(playing), "both to play")
        assert browser.execute_script("return [...document.images].every(image => image.naturalWidth > 0)")

        body = browser.find_element(By.TAG_NAME, "body")
        place = browser.find_element(By.ID, "place")

        def wait_rated(number: int) -> None:
            ready = "return !saving"
            wait_for(lambda: f"{number} rated" in place.text and browser.execute_script(ready), f"{number} rated")

        for number, key in enumerate((Keys.ARROW_LEFT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, "s"), start=1):
            body.send_keys(key)
            wait_rated(number)
        browser.refresh()  # comes back later
        browser.find_element(By.ID, "name").send_keys("ann", Keys.ENTER)
        body, place = browser.find_element(By.TAG_NAME, "body"), browser.find_element(By.ID, "place")
        wait_rated(4)
        for number, button in enumerate(browser.find_elements(By.CSS_SELECTOR, "#choices button"), start=5):
            button.click()
            wait_rated(number)
        body.send_keys(Keys.BACKSPACE)
        pressed = "return document.querySelector('#choices [aria-pressed=true]')?.value"
        wait_for(lambda: browser.execute_script(pressed) == "right", "the vote before")
        body.send_keys(Keys.ARROW_LEFT)  # another vote instead of it
        wait_for(lambda: "Pair 9 of" in place.text and browser.execute_script("return !saving"), "the ninth pair")
        for number in range(9, server.num_pairs + 1):
            body.send_keys(Keys.ARROW_LEFT)
            if number < server.num_pairs:
                wait_rated(number)
        wait_for(lambda: browser.find_element(By.ID, "done").is_displayed(), "the end")
        choices = [vote.choice for vote in server.store.latest().values()]
        assert choices[:7] == ["left", "right", "equal", "skip", "left", "equal", "skip"]
        assert choices[7:] == ["left"] * (server.num_pairs - 7)
        assert console_errors(browser) == []
