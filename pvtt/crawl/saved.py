"""Product pages that a browser saved: `NAME.html`, with what it shows in `NAME_files/`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pvtt.crawl.decode import page_text
from pvtt.crawl.drafts import MediaRef, PageRecord, ProductDraft
from pvtt.crawl.marketplaces import UNKNOWN_HOST
from pvtt.crawl.origin import local_url
from pvtt.crawl.pages import read_html_page

PAGE_SUFFIXES = (".html", ".htm")
NOWHERE = f"https://{UNKNOWN_HOST}/"
NO_PRODUCT = "the page describes no product: save a product's own page, as 'complete', after its photos have appeared"
_SAVED_FROM = (
    re.compile(r"<!--\s*saved from url=\(\d+\)(https?://\S+?)\s*-->"),
    re.compile(r"<!--\s*Page saved with SingleFile\s+url:\s*(https?://\S+)"),
    re.compile(r"""<link[^>]+rel=["']?canonical["']?[^>]+href=["'](https?://[^"']+)""", re.IGNORECASE),
    re.compile(r"""<meta[^>]+property=["']?og:url["']?[^>]+content=["'](https?://[^"']+)""", re.IGNORECASE),
)


def saved_pages(folder: Path) -> list[Path]:
    """The saved pages that lie directly in a folder, by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PAGE_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def files_of(page: Path) -> Path:
    """The directory with what a saved page shows."""
    return page.with_name(f"{page.stem}_files")


def read_saved_page(page: Path, folder: Path, may_fetch: Callable[[str], bool]) -> PageRecord:
    """The product of a saved page, its media as URLs, or as paths relative to `folder` where they were saved too.

    Args:
        page: The HTML file, in any of the encodings that `page_text` knows.
        folder: Of the crawl.
        may_fetch: Whether a URL may be requested; what was saved is taken where not, as it may be smaller.
    """
    text = page_text(page.read_bytes())
    url = next((found[1] for pattern in _SAVED_FROM if (found := pattern.search(text[:200_000]))), None)
    record = read_html_page(text, url or NOWHERE + quote(page.name))
    if not record.drafts:
        return PageRecord(problem=record.problem or NO_PRODUCT)
    (draft,) = record.drafts
    saved = {path.name: path for path in sorted(files_of(page).glob("*")) if path.is_file()}

    def here(ref: MediaRef) -> MediaRef:
        parts = urlsplit(ref.url)
        path = Path(unquote(parts.path))
        file = saved.get(path.name)
        is_saved = parts.netloc == urlsplit(NOWHERE).netloc or path.parent.name == files_of(page).name
        if file is None and not is_saved:
            return ref
        if file is None:
            return ref.model_copy(update={"url": (files_of(page) / path.name).relative_to(folder).as_posix()})
        if not is_saved and may_fetch(ref.url):
            return ref
        return ref.model_copy(update={"url": file.relative_to(folder).as_posix()})

    return PageRecord(drafts=(_at(draft, folder, page, here),))


def _at(draft: ProductDraft, folder: Path, page: Path, here: Callable[[MediaRef], MediaRef]) -> ProductDraft:
    return draft.model_copy(
        update={
            "page_url": local_url("folder", folder, page.name),
            "videos": tuple(here(ref) for ref in draft.videos),
            "photos": tuple(here(ref) for ref in draft.photos),
        }
    )
