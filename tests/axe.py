"""What axe-core finds wrong with a page for those who see, hear or move otherwise, in each way that it is looked at."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

# In the dark, colours are all that is another: the rest of a page is what it was in the light.
OF_COLOURS = {"type": "tag", "values": ["cat.color"]}
NOT_BY_DEFAULT = {"color-contrast-enhanced": {"enabled": False}}  # of level AAA, which the tag would switch on
COLOURS_ONLY = {"dark": {"runOnly": OF_COLOURS, "rules": NOT_BY_DEFAULT}}
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
        options = {"resultTypes": ["violations"], **COLOURS_ONLY.get(look, {})}
        result = browser.execute_async_script("axe.run(document, arguments[0]).then(arguments[1])", options)
        assert len(result["passes"]) > (0 if look in COLOURS_ONLY else 10)  # it has looked
        found += [f"{look}: {rule['id']} at {rule['nodes'][0]['target']}" for rule in result["violations"]]
    return found
