"""A real headless Chromium for tests of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from tests.conftest import require_program

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1280,900",
)


@contextmanager
def open_browser(profile: Path, *flags: str) -> Iterator[Chrome]:
    """Start Chromium with a fresh profile; skips the test where it is not installed."""
    chromium, chromedriver = require_program("chromium"), require_program("chromedriver")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=Service(chromedriver))
    browser.set_page_load_timeout(120)
    browser.set_script_timeout(60)
    try:
        yield browser
    finally:
        browser.quit()


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Poll until `condition` holds, and return what it returned."""
    end = monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        sleep(0.05)


def console_errors(browser: Chrome) -> list[str]:
    """Errors that the page has logged."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
