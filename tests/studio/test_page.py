"""The studio in a real browser, with the model that the project ships; and what its server refuses."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pvtt.errors import PvttError
from pvtt.files.serve import HOST
from pvtt.generation.ad.record import AdRecord
from pvtt.studio.server import open_studio
from tests.browser import console_errors, open_browser, wait_for
from tests.generation.ad.films import disc_shot, text_card, write_film, write_photos
from tests.studio.watched import Running, running_studio, watch

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

CHAMPION = Path(__file__).parents[2] / "models" / "pvtt-tiny"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("studio")
    write_film(folder / "ad.mp4", [*text_card(14), *disc_shot(215)[0][:13]])
    write_photos(folder)
    (folder / "text.mp4").write_text("<img src=x onerror=alert(1)>" * 50)
    with running_studio(folder, CHAMPION) as running:
        yield running


@pytest.fixture(scope="module")
def browser(running: Running) -> Iterator[Chrome]:
    with open_browser(running.folder / "profile") as browser:
        yield browser


def find(browser: Chrome, selector: str, seconds: float = 120) -> WebElement:
    """The first element, as soon as it is there."""
    from selenium.webdriver.common.by import By

    found: list[WebElement] = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, selector), selector, seconds)
    return found[0]


def texts(browser: Chrome, selector: str) -> list[str]:
    return list(
        browser.execute_script("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)
    )


def drop(browser: Chrome, name: str, *files: Path) -> None:
    find(browser, f"#{name} input[type=file]").send_keys("\n".join(map(str, files)))


def click(browser: Chrome, selector: str) -> None:
    element = find(browser, selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def type_into(browser: Chrome, name: str, text: str) -> None:
    element = find(browser, f"#{name} textarea, #{name} input")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.clear()
    element.send_keys(text)


def value(browser: Chrome, name: str) -> str:
    return str(find(browser, f"#{name} textarea, #{name} input").get_property("value"))


def middles(browser: Chrome, kind: str) -> list[list[int]]:
    """Red, green and blue of the slider's picture, a second into the film, in the middle of the shown product: with
    nothing of the template, and with all of it."""
    find(browser, f"pvtt-compare[data-{kind}][data-ready]", 300)
    script = """
        const [kind, done] = arguments;
        const compare = document.querySelector(`pvtt-compare[data-${kind}]`);
        const look = () => done([0, 1000].map((cut) => {
            compare.range.value = cut;
            compare.range.dispatchEvent(new Event("input"));
            const {width, height} = compare.canvas;
            const at = [0.43 * width, 0.42 * height].map(Math.round);
            return [...compare.canvas.getContext("2d").getImageData(...at, 1, 1).data.slice(0, 3)];
        }));
        if (kind === "image") look();
        else {
            compare.source.pause();
            compare.source.addEventListener("seeked", look, {once: true});
            compare.source.currentTime = 1;
        }
    """
    return list(browser.execute_async_script(script, kind))


def read_back(running: Running, browser: Chrome, record: str) -> dict[str, str]:
    """What stands in the fields of a fresh page, as narrow as a browser gets, after a record was dropped and read."""
    browser.set_window_size(500, 900)
    browser.get(running.url)
    drop(browser, "record", running.folder / "ads" / record)
    wait_for(lambda: Path(record).stem in "".join(texts(browser, "#record")), "the record")
    click(browser, "#read")
    find(browser, "#read-line .done")
    wait_for(lambda: len(texts(browser, "#strip video")) == 1, "the template")
    wait_for(lambda: len(texts(browser, "#strip img")) == 2, "the photos")
    find(browser, "#result pvtt-compare[data-video]")
    click(browser, "#wrong button")
    click(browser, "#more button")
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    return {name: value(browser, name) for name in ("prompt", "place", "seed", "steps", "strength")}


def test_an_ad_is_made_on_the_page(running: Running, browser: Chrome) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    folder = running.folder
    photos = sorted(folder.glob("photo-*.png"))
    browser.get(running.url)
    drop(browser, "template", folder / "ad.mp4")
    drop(browser, "photos", *photos)
    wait_for(lambda: len(texts(browser, "#strip img")) == len(photos), "the photos, small")
    type_into(browser, "prompt", "a blue <b>box</b>")

    click(browser, "#look")
    find(browser, "#cards .card")
    assert [text.splitlines()[0].split(",")[0] for text in texts(browser, ".card")] == ["10.00–0.70 s", "20.70–1.35 s"]
    assert len(texts(browser, ".card.chosen .region")) == 1

    # A box in the first frame of the second shot
    click(browser, "#shots label:nth-of-type(2)")
    click(browser, "#wrong button")
    wait_for(lambda: "shot 2" in "".join(texts(browser, "#picture .note")), "the second shot's frame")
    picture = "return document.querySelector('pvtt-place img')?.naturalWidth"  # the element is put in a moment later
    wait_for(lambda: browser.execute_script(picture), "its picture")
    stage = find(browser, "pvtt-place .stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    wide, high = stage.size["width"], stage.size["height"]
    corner, size = (-0.3 * wide, -0.3 * high), (0.45 * wide, 0.65 * high)
    ActionChains(browser).move_to_element_with_offset(stage, *map(round, corner)).click_and_hold().move_by_offset(
        *map(round, size)
    ).release().perform()
    left, top, width, height = map(int, value(browser, "place").split(","))
    assert (left, top, width, height) == pytest.approx((0.2 * 192, 0.2 * 128, 0.45 * 192, 0.65 * 128), abs=2)
    before = texts(browser, "#cards .note")
    click(browser, "#again")
    wait_for(lambda: texts(browser, "#cards .note") != before, "other regions")
    assert "in the given shots 2" in texts(browser, "#cards .note")[0]

    click(browser, "#preview")
    new, old = middles(browser, "image")
    assert new[2] > new[0] + 50  # the blue box
    assert old[0] > old[2] + 50  # the red disc

    click(browser, "#more button")
    type_into(browser, "steps", "1")
    type_into(browser, "seed", "7")
    click(browser, "#render")
    new, old = middles(browser, "video")
    assert new[2] > new[0] + 50
    assert old[0] > old[2] + 50
    record = AdRecord.from_json((folder / "ads" / "ad-2.json").read_bytes())
    assert (record.settings.shots, record.settings.box) == ((2,), (left, top, width, height))
    assert (record.settings.prompt, record.settings.seed, record.settings.steps) == ("a blue <b>box</b>", 7, 1)
    assert {path.name for path in (folder / "ads").glob("ad-*")} == {
        "ad-1-preview.json", "ad-1-preview.png", "ad-2.json", "ad-2.png", "ad-2.mp4", "ad-2.compare.mp4",
    }  # fmt: skip

    assert read_back(running, browser, "ad-2.json") == {
        "prompt": "a blue <b>box</b>",
        "place": f"{left},{top},{width},{height}",
        "seed": "7",
        "steps": "1",
        "strength": "",
    }
    own = "return performance.getEntriesByType('resource').every(one => new URL(one.name).host === location.host)"
    assert browser.execute_script(own)
    assert console_errors(browser) == []
    assert running.reached == []


def test_a_file_that_is_no_film_is_told_in_the_command_s_line(running: Running, browser: Chrome) -> None:
    browser.get(running.url)
    drop(browser, "template", running.folder / "text.mp4")
    drop(browser, "photos", running.folder / "photo-0.png")
    wait_for(lambda: len(texts(browser, "#strip img")) == 1, "the photo")
    click(browser, "#look")
    find(browser, "#found .error")
    (line,) = texts(browser, "#found .error p:first-child")
    assert line.startswith("text.mp4 is not a video: it starts with b'<img src=x onerr")
    assert texts(browser, "#found .next")[0].startswith("next: give --template a whole film")


def request(running: Running, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, running.port, timeout=60)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/hostname",
        f"/gradio_api/file={CHAMPION}/model_index.json",
        "/gradio_api/file=cache",
        "/gradio_api/file=ads/../text.mp4",
        "/gradio_api/file=http://example.com/",
        "/gradio_api/file=https://example.com/",
        "/shown/unknown/ad.mp4",
        "/shown/../text.mp4",
    ],
)
def test_no_other_file_and_no_other_host_is_served(running: Running, path: str) -> None:
    status, _ = request(running, path)
    assert status in (403, 404)
    assert running.reached == []


def test_another_page_or_host_name_is_refused(running: Running) -> None:
    assert request(running, "/")[0] == 200
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        status, body = request(running, "/", headers)
        assert (status, json.loads(body)) == (
            403,
            {"error": "open the page by the whole address that `pvtt studio` shows"},
        )


def test_what_a_killed_one_left_is_gone_after_the_next_start_and_ctrl_c_ends_it(running: Running) -> None:
    running.process.kill()
    running.process.wait()
    ads = running.folder / "ads"
    left = list(ads.glob(".tmp-*"))
    assert left
    for path in left:  # younger, it may be of one that runs
        os.utime(path, (0, 0))
    with running_studio(running.folder, CHAMPION) as studio:
        assert not any(path.exists() for path in left)
        assert request(studio, "/")[0] == 200
        ends = studio.interrupt()
    assert ends == (0, "\nStopped. Finished windows are kept: the same render goes on from there.\n")
    assert not list(ads.glob(".tmp-*"))


def test_a_host_elsewhere_would_be_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as one, socket.create_server((HOST, 0)) as own:
        watch("socket.connect", (one, own.getsockname()))
        watch("socket.connect", (one, ("192.0.2.1", 80)))
    assert (tmp_path / "reached.txt").read_text() == "192.0.2.1\n"


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(PvttError, match="gradio is not installed") as caught, open_studio(tmp_path, CHAMPION, 0):
        pass
    assert caught.value.hint == "pip install 'pvtt[studio]'"
