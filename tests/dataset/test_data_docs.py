"""The pages of a validation: nothing in them asks a host, and what they show is there without scripts of elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pvtt.dataset.data_docs import offline
from pvtt.dispatch import InlineDispatcher
from pvtt.stages import validate
from tests.browser import open_browser
from tests.dataset.build import Rows, params

# What a browser fetches by itself; a link that a person may follow is none.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|link)\b[^>]*(?:src|href)\s*=\s*["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//"""
    r"""|@import\s+["'](?:https?:)?//""",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = Rows(12)
    rows.change("products", 0, license=None, title="<b>bold</b>")
    workspace = rows.write(tmp_path_factory.mktemp("validated"))
    validate.run(workspace, params(), InlineDispatcher())
    return workspace.out("validate") / "data_docs"


def test_no_page_fetches_anything_and_every_link_between_them_leads_somewhere(pages: Path) -> None:
    found = sorted(pages.rglob("*.html"))
    assert len(found) > 20
    for page in found:
        text = page.read_text()
        assert FETCHED.search(text) is None, page
        for link in re.findall(r'href="([^"#:]+)"', text):
            assert (page.parent / link).is_file(), (page, link)
    assert not [path for path in pages.rglob("*") if path.suffix in (".gif", ".otf")]


def test_a_browser_without_a_network_shows_them(pages: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path / "profile", "--host-resolver-rules=MAP * ~NOTFOUND") as browser:
        browser.set_window_size(1280, 900)
        browser.get((pages / "index.html").as_uri())
        text = browser.find_element("tag name", "body").text
        assert "products state a licence" in text
        assert "JEWE001" in text
        browser.find_element("link text", "products").click()
        text = browser.find_element("tag name", "body").text
        assert "Evaluated Expectations" in text
        asked = browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
        assert [name for name in asked if not name.startswith("file:")] == []
        before = len(text)
        browser.execute_script("hideSucceededValidations()")
        assert len(browser.find_element("tag name", "body").text) < before


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<SCRIPT\nsrc='//cdn.example/x.js'>\n</SCRIPT >",
        '<link rel="stylesheet" href="http://cdn.example/x.css"/>',
        "<link href=https://cdn.example/x.css rel=stylesheet>",
        '<img class="a" alt="b" src="https://cdn.example/x.png?d=1">',
        "<style>a{background:url( 'https://cdn.example/x.png' )}</style>",
        "<style>@import url(https://cdn.example/x.css);</style>",
        '<style>@import "//cdn.example/x.css";</style>',
    ],
)
def test_what_would_be_fetched_is_taken_out(tag: str) -> None:
    page = offline(f"<html><head></head><body><p>before</p>{tag}<p>after</p></body></html>")
    assert "cdn.example" not in page
    assert "<p>before</p>" in page
    assert "<p>after</p>" in page
