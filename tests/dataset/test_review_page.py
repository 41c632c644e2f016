"""The review page over HTTP, in a real browser, and what `validate` makes of the answers."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pvtt.dataset.review import WORDS, find_doubtful
from pvtt.dataset.review_server import ReviewServer
from pvtt.dispatch import InlineDispatcher
from pvtt.files.append import append_line
from pvtt.files.workspace import Workspace
from pvtt.records.base import read_jsonl
from pvtt.records.catalog import Reject
from pvtt.records.clips import Mask
from pvtt.records.dataset import DatasetEntry
from pvtt.records.reviews import ANSWERS_FILE, Kind, ReviewAnswer, Verdict, read_answers
from pvtt.stages import validate
from tests.axe import violations
from tests.browser import console_errors, open_browser, wait_for
from tests.dataset.build import WHEN, Rows, params, photo_set, sha256
from tests.dataset.doubtful import doubtful_project


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    return doubtful_project(tmp_path)


@pytest.fixture
def server(project: Workspace) -> Iterator[ReviewServer]:
    doubtful = find_doubtful(project, answered=True)
    with ReviewServer(doubtful, project.root, project.reviews, port=0) as running, running.in_thread():
        yield running


def request(
    server: ReviewServer, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    result = (answer.status, answer.read(), answer.headers)
    connection.close()
    return result


def queue(server: ReviewServer) -> list[dict[str, Any]]:
    return list(json.loads(request(server, "GET", "/api/queue")[1]))


def lines(server: ReviewServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (server.folder / ANSWERS_FILE).read_text().splitlines()]


def test_an_answer_is_a_line_on_the_disk_and_the_last_one_counts(server: ReviewServer, project: Workspace) -> None:
    items = queue(server)
    assert [(one["name"], one["verdict"]) for one in items] == [
        ("B_001", None),
        ("A_001", None),
        ("photos/A/01.png", None),
    ]
    assert items[0]["reasons"] == [WORDS["agreement"]]
    first, second = items[0]["token"], items[1]["token"]
    for token, verdict in ((first, "turn_away"), (second, "keep"), (first, "take_back"), (first, "keep")):
        assert request(server, "POST", f"/api/answer/{token}/{verdict}")[0] == 200
    assert [one["verdict"] for one in lines(server)] == ["turn_away", "keep", None, "keep"]
    assert [(one["verdict"], one["place"]) for one in queue(server)] == [("keep", 1), ("keep", 0), (None, None)]
    assert [one.name for one in find_doubtful(project)] == ["photos/A/01.png"]


def test_what_a_kill_left_of_a_line_is_passed_over_and_dropped_by_the_next(
    server: ReviewServer, project: Workspace
) -> None:
    tokens = [one["token"] for one in queue(server)]
    request(server, "POST", f"/api/answer/{tokens[0]}/keep")
    with (server.folder / ANSWERS_FILE).open("ab") as file:
        file.write(b'{"schema_version":1,"kind":"cl')
    assert [one["verdict"] for one in queue(server)] == ["keep", None, None]
    request(server, "POST", f"/api/answer/{tokens[1]}/turn_away")
    assert [one["verdict"] for one in lines(server)] == ["keep", "turn_away"]
    assert len(find_doubtful(project)) == 1


def test_it_is_asked_again_where_the_content_is_another(server: ReviewServer, project: Workspace) -> None:
    for one in queue(server):
        request(server, "POST", f"/api/answer/{one['token']}/keep")
    assert find_doubtful(project) == []
    masks_file = project.out("segment") / "masks.jsonl"
    masks = read_jsonl(masks_file, Mask)
    masks[1] = masks[1].model_copy(update={"sha256": "f" * 64})  # the mask of B, made anew
    masks_file.write_text("".join(mask.to_json() + "\n" for mask in masks))
    assert [one.name for one in find_doubtful(project)] == ["B_001"]


def test_pictures_show_the_outline_and_what_cannot_be_read_says_so(server: ReviewServer, project: Workspace) -> None:
    clip, _, photo = queue(server)
    assert (clip["pictures"], photo["pictures"]) == (5, 2)
    status, body, headers = request(server, "GET", f"/picture/{clip['token']}/4")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    pixels = np.asarray(Image.open(io.BytesIO(body))).astype(int)
    assert (np.abs(pixels - (255, 0, 220)).max(axis=-1) < 60).sum() > 100
    assert request(server, "GET", f"/picture/{clip['token']}/5")[0] == 404
    assert request(server, "GET", f"/picture/{photo['token']}/1")[0] == 200
    cut_out = project.out("photos") / photo["name"]
    whole = cut_out.read_bytes()
    with ReviewServer(find_doubtful(project), project.root, project.reviews, port=0) as other, other.in_thread():
        cut_out.write_bytes(whole[: len(whole) // 2])
        status, body, _ = request(other, "GET", f"/picture/{photo['token']}/0")
        assert status == 404
        assert "dvc checkout" in json.loads(body)["error"]
        cut_out.write_bytes(whole)
        assert request(other, "GET", f"/picture/{photo['token']}/0")[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/api/answer/TOKEN/maybe", "/api/answer/0123456789abcdef/keep", "/api/answer/..%2f..%2fparams.yaml/keep"],
)
def test_what_is_no_answer_is_refused_and_not_saved(server: ReviewServer, path: str) -> None:
    assert request(server, "POST", path.replace("TOKEN", queue(server)[0]["token"]))[0] == 404
    assert not server.folder.exists()


def test_only_its_own_page_on_this_machine_may_ask(server: ReviewServer) -> None:
    path = f"/api/answer/{queue(server)[0]['token']}/keep"
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
        status, body, answered = request(server, "POST", path, headers)
        assert (status, "pvtt data review" in json.loads(body)["error"]) == (403, True)
        assert answered["Content-Security-Policy"].startswith("default-src 'none'")
    assert request(server, "GET", path)[0] == 405  # a link or a picture of another page answers nothing
    assert not server.folder.exists()


def test_a_full_disk_is_told(server: ReviewServer) -> None:
    server.folder.mkdir()
    (server.folder / ANSWERS_FILE).symlink_to("/dev/full")
    status, body, _ = request(server, "POST", f"/api/answer/{next(iter(server.items))}/keep")
    assert status == 507
    assert ANSWERS_FILE in json.loads(body)["error"]


def test_a_person_answers_by_key_and_button_takes_one_back_and_comes_back(server: ReviewServer, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with open_browser(tmp_path / "profile") as browser:
        browser.get(server.url)

        def shows(place: str, name: str) -> bool:
            return (browser.find_element(By.ID, "place").text, browser.find_element(By.ID, "name").text) == (
                place,
                name,
            )

        def press(key: str) -> None:
            browser.find_element(By.TAG_NAME, "body").send_keys(key)

        wait_for(lambda: shows("1 of 3", "B_001"), "the least sure clip")
        pictures = "[...document.querySelectorAll('#pictures img')]"
        wait_for(lambda: browser.execute_script(f"return {pictures}.every(one => one.naturalWidth > 0)"), "its frames")
        assert browser.execute_script(f"return {pictures}.length") == 5
        assert WORDS["agreement"] in browser.find_element(By.ID, "reasons").text
        assert "0.60" in browser.find_element(By.ID, "what").text
        assert violations(browser) == []
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")  # at phone width
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

        press("n")
        wait_for(lambda: shows("2 of 3", "A_001"), "the next")
        press("y")
        wait_for(lambda: shows("3 of 3", "photos/A/01.png"), "the photo")
        press(Keys.ARROW_LEFT)
        wait_for(lambda: shows("2 of 3", "A_001"), "the one before")
        browser.refresh()
        wait_for(lambda: shows("2 of 3", "A_001"), "what is open")
        assert [one["verdict"] for one in lines(server)] == ["turn_away", "keep", None]
        press("u")  # of an answer before the page was loaded
        wait_for(lambda: shows("1 of 3", "B_001"), "the first again")
        for button, place in (("away", "2 of 3"), ("keep", "3 of 3")):
            browser.find_element(By.ID, button).click()
            wait_for(lambda: browser.find_element(By.ID, "place").text == place, place)  # noqa: B023
        press("y")
        wait_for(lambda: browser.find_element(By.ID, "done").is_displayed(), "the end")
        assert "2 kept, 1 turned away" in browser.find_element(By.ID, "sum").text
        assert violations(browser) == []
        browser.refresh()
        wait_for(lambda: browser.find_element(By.ID, "done").is_displayed(), "that nothing is left")
        assert [one.verdict for one in read_answers(server.folder).values()] == ["turn_away", "keep", "keep"]
        assert console_errors(browser) == []


def answered(rows: Rows, workspace: Workspace, kind: Kind, name: str, verdict: Verdict | None) -> None:
    """Answer on a clip, or on a photo by its path."""
    if kind == "clip":
        clip = next(clip for clip in rows.clips if clip.key == name)
        mask = next(mask for mask in rows.masks if mask.key == name)
        contents = clip.sha256, mask.sha256
    else:
        photo = next(photo for one in rows.photo_sets for photo in one.photos if photo.path == name)
        contents = photo.source_sha256, photo.sha256
    answer = ReviewAnswer(
        kind=kind,
        product_id="JEWE001",
        name=name,
        picture_sha256=contents[0],
        result_sha256=contents[1],
        verdict=verdict,
        answered_at=WHEN,
    )
    append_line(workspace.reviews / ANSWERS_FILE, answer.to_json())


def test_what_was_turned_away_leaves_the_data_set_with_a_row(tmp_path: Path) -> None:
    rows = Rows(24)
    far_apart = tuple(int(sha256(f"photo {number}")[:16], 16) for number in range(4))
    rows.photo_sets[2] = photo_set("JEWE003", rows.photo_sets[2].category, far_apart)
    workspace = rows.write(tmp_path)
    photo = rows.photo_sets[2].photos[1].path
    only_three = rows.photo_sets[4].photos[0].path
    answered(rows, workspace, "clip", "JEWE001_001", "turn_away")
    answered(rows, workspace, "clip", "JEWE002_001", "keep")
    answered(rows, workspace, "clip", "JEWE002_002", "turn_away")
    answered(rows, workspace, "clip", "JEWE002_002", None)
    answered(rows, workspace, "clip", "JEWE004_001", "turn_away")
    answered(rows, workspace, "clip", "JEWE004_002", "turn_away")
    answered(rows, workspace, "photo", photo, "turn_away")
    answered(rows, workspace, "photo", only_three, "turn_away")
    validate.run(workspace, params(), InlineDispatcher())
    entries = {entry.key: entry for entry in read_jsonl(workspace.out("validate") / "entries.jsonl", DatasetEntry)}
    gone = {"JEWE001_001", "JEWE004_001", "JEWE004_002"}
    assert set(entries) == {clip.key for clip in rows.clips} - gone - {"JEWE005_001", "JEWE005_002"}
    assert len(entries["JEWE003_001"].photo_paths) == 3
    assert f"outs/photos/{photo}" not in entries["JEWE003_001"].photo_paths
    rejects = read_jsonl(workspace.out("validate") / "rejects.jsonl", Reject)
    assert {(one.item, one.reason) for one in rejects} == {
        *((key, "reviewed_out") for key in gone),
        (photo, "reviewed_out"),
        (only_three, "reviewed_out"),
        ("JEWE004", "no_clip"),
        ("JEWE005", "too_few_photos"),
    }
    assert "turned away in a review on 2026-01-05" in rejects[0].message
    metrics = json.loads((workspace.metrics / "validate.json").read_text())
    assert metrics["rejected"] == {"validate": {"no_clip": 1, "reviewed_out": 5, "too_few_photos": 1}}


def test_an_answer_on_other_contents_counts_for_nothing(tmp_path: Path) -> None:
    rows = Rows(12)
    workspace = rows.write(tmp_path)
    answered(rows, workspace, "clip", "JEWE001_001", "turn_away")
    rows.change("masks", 0, sha256="f" * 64)
    (workspace.out("segment") / "masks.jsonl").write_text("".join(mask.to_json() + "\n" for mask in rows.masks))
    validate.run(workspace, params(max_hashed_files=0), InlineDispatcher())
    assert len(read_jsonl(workspace.out("validate") / "entries.jsonl", DatasetEntry)) == 24
