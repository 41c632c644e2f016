"""Sitemaps (sitemaps.org) into pages to read: what a shop has that no link leads to.

They are foreign XML. Scrapy's reader expands no entity and loads nothing; what it is given is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import islice
from urllib.parse import urljoin, urlsplit

from pvtt.crawl.drafts import PageRecord
from pvtt.crawl.text import MAX_URL
from pvtt.items.runner import ItemRejectedError

BAD_SITEMAP = "bad_sitemap"  # reason of a reject
USUAL_PLACE = "/sitemap.xml"
MAX_SITEMAPS = 1000  # of one crawl: an index may name itself under ever new names
MAX_SITEMAP_BYTES = 50 * 1024 * 1024  # of one, unpacked, as the protocol has it
MAX_ENTRIES = 50_000  # likewise
_ROOT = re.compile(rb"<(?:[\w.-]+:)?(?:urlset|sitemapindex)[\s/>]")
_HEAD_BYTES = 4096  # in which the root stands, behind declarations and comments


def is_sitemap(body: bytes) -> bool:
    """Whether some bytes begin as a sitemap or an index of sitemaps does."""
    return _ROOT.search(body[:_HEAD_BYTES]) is not None


def read_sitemap(body: bytes, url: str, sites: Collection[str]) -> tuple[PageRecord, int]:
    """Read a sitemap, or an index of sitemaps.

    Args:
        body: The unpacked file.
        url: Where it came from, after redirects.
        sites: Host and port of the pages that count; those of other sites do not, as with the links of a page.

    Returns:
        A record of pages, or of further sitemaps, with a problem where some may be missing; and how many pages lie
        outside the sites.

    Raises:
        ItemRejectedError: `bad_sitemap`.
    """
    from lxml.etree import LxmlError
    from scrapy.linkextractors import IGNORED_EXTENSIONS
    from scrapy.utils.sitemap import Sitemap
    from w3lib.url import canonicalize_url

    if not is_sitemap(body):
        raise ItemRejectedError(BAD_SITEMAP, "it is named as a sitemap, and its bytes are not those of one")
    ignored = tuple(f".{extension}" for extension in IGNORED_EXTENSIONS)
    found: dict[str, None] = {}
    num_outside = 0
    try:
        sitemap = Sitemap(body)
        for entry in islice(sitemap, MAX_ENTRIES):
            try:
                link = urljoin(url, entry["loc"])
                parts = urlsplit(link)
                if sitemap.type == "urlset":
                    link = canonicalize_url(link)
            except ValueError:
                continue
            if not entry["loc"] or len(link) > MAX_URL or parts.scheme not in ("http", "https"):
                continue
            if sitemap.type == "urlset" and parts.netloc not in sites:
                num_outside += 1
            elif sitemap.type != "urlset" or not parts.path.lower().endswith(ignored):
                found[link] = None
    except (LxmlError, StopIteration) as error:
        raise ItemRejectedError(BAD_SITEMAP, f"it is not XML: {error}") from None
    faults = sitemap.xmliter.error_log
    problem = f"it is not well-formed, and read as far as it goes: {faults[0].message}" if len(faults) else None
    kind = "links" if sitemap.type == "urlset" else "sitemaps"
    record = PageRecord(problem=problem, problem_reason=BAD_SITEMAP)
    return record.model_copy(update={kind: tuple(found)}), num_outside
