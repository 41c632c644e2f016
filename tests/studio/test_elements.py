"""The page's two elements alone, in a real browser: they obey keys, and what they say is what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from pvtt.media.video import write_video
from tests.axe import violations
from tests.browser import console_errors, open_browser, wait_for

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

WIDTH, HEIGHT, LINE = 96, 64, 4
RED, BLUE = (205, 40, 40), (30, 60, 200)
PAGE = """<!doctype html><html lang="en"><title>PVTT studio</title><link rel="stylesheet" href="studio.css">
<style>:root { --color-accent: #c2410c; --body-text-color-subdued: #555; --border-color-primary: #777;
--background-fill-secondary: #fff }</style>
<main><h1>Elements</h1><pvtt-compare data-video="film.mp4" data-line="4"></pvtt-compare>
<label id="place">Place <input></label>
<pvtt-place data-image="frame.png" data-size="96,64" data-field="place" data-value=""></pvtt-place></main>
<script src="studio.js"></script></html>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A film whose left half, the template, is red and whose right half is blue; and a white frame to draw in."""
    folder = tmp_path_factory.mktemp("elements")
    frame = np.zeros((HEIGHT, 2 * WIDTH + LINE, 3), np.uint8)
    frame[:, :WIDTH], frame[:, -WIDTH:] = RED, BLUE
    write_video(folder / "film.mp4", [frame] * 20, fps=10)
    cv2.imwrite(str(folder / "frame.png"), np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    for name in ("studio.js", "studio.css"):
        (folder / name).write_text((files("pvtt.studio") / name).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "page.html").write_text(PAGE)
    with open_browser(folder / "profile") as browser:
        browser.get((folder / "page.html").as_uri())
        wait_for(lambda: browser.execute_script("return !!document.querySelector('[data-ready]')"), "the film")
        yield browser


def find(browser: Chrome, selector: str) -> WebElement:
    from selenium.webdriver.common.by import By

    return browser.find_element(By.CSS_SELECTOR, selector)


def seen(browser: Chrome, selector: str, x: float, y: float = 0.7) -> np.ndarray:
    """Red, green and blue on a picture of an element, at a share of its width and of its height."""
    element = find(browser, selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    picture = cv2.imdecode(np.frombuffer(element.screenshot_as_png, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    height, width = picture.shape[:2]
    return picture[round(y * height), round(x * width)].astype(int)


def test_the_slider_goes_by_keys_and_shows_so_much_of_the_template(browser: Chrome) -> None:
    from selenium.webdriver.common.keys import Keys

    cut = find(browser, "pvtt-compare input.cut")
    for keys, value, left, right in (
        (Keys.HOME, "0", BLUE, BLUE),
        (Keys.END, "1000", RED, RED),
        (Keys.PAGE_DOWN * 5, "500", RED, BLUE),
        (Keys.ARROW_LEFT * 3, "497", RED, BLUE),
    ):
        cut.send_keys(keys)
        assert cut.get_property("value") == value
        for place, colour in ((0.3, left), (0.7, right)):
            assert np.abs(seen(browser, "pvtt-compare .stage", place) - colour).max() < 30, (keys, place)
    assert seen(browser, "pvtt-compare .stage", 0.497).min() > 120  # the line between them, a pixel wide


def test_the_film_stops_and_goes_on_by_keys(browser: Chrome) -> None:
    from selenium.webdriver.common.keys import Keys

    button = find(browser, "pvtt-compare .bar button")
    wait_for(lambda: button.text == "Pause", "the film to play")
    for says in ("Play", "Pause"):
        button.send_keys(Keys.SPACE)
        wait_for(lambda says=says: button.text == says, says)


def test_a_box_and_a_point_are_drawn_as_they_are_typed(browser: Chrome) -> None:
    field = find(browser, "#place input")
    stage = "pvtt-place .stage"
    assert seen(browser, stage, 0.5, 0.5).min() > 240
    field.send_keys("48,32,24,16")
    assert seen(browser, stage, 0.62, 0.62)[1] < 230  # inside the box, through its colour
    assert seen(browser, stage, 0.4, 0.62).min() > 240
    field.clear()
    field.send_keys("24,16")
    assert seen(browser, stage, 0.25, 0.25)[1] < 120  # the point
    assert seen(browser, stage, 0.62, 0.62).min() > 240
    field.send_keys(",x")
    assert seen(browser, stage, 0.25, 0.25).min() > 240  # neither


def test_nothing_of_them_is_hard_to_use(browser: Chrome) -> None:
    assert console_errors(browser) == []
    assert violations(browser, "light") == []  # it asks for the style sheet, which a page that is a file may not
