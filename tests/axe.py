"""What axe-core finds wrong with a page for those who see, hear or move otherwise, in each way that it is looked at."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

LOOKS = {"light": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (390, 844, "light")}


def violations(browser: Chrome, *looks: str) -> list[str]:
    """Of the open page in these looks, by default in all: what is violated, and where first."""
    found = []
    for look in looks or LOOKS:
        width, height, scheme = LOOKS[look]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": look == "phone"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        preference = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [preference]})
        if not browser.execute_script("return typeof axe === 'object'"):
            browser.execute_script((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
        result = browser.execute_async_script("axe.run(document, {resultTypes: ['violations']}).then(arguments[0])")
        assert len(result["passes"]) > 10  # it has looked
        found += [f"{look}: {rule['id']} at {rule['nodes'][0]['target']}" for rule in result["violations"]]
    return found
