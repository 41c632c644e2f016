"""Products as a source describes them, before their media are in hand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from pvtt.records.base import Record
from pvtt.records.catalog import PRODUCT_ID_PATTERN, ProductId, Sha256, SourceKind

MediaKind = Literal["video", "photo"]
UNCATEGORISED = "uncategorised"

_ID_STEM = 48  # characters of a foreign id kept, so that stem, hyphen and hash stay below 64


class MediaRef(Record):
    """A video or photo that a source names."""

    url: str  # or, from a folder or feed, a path
    license: str | None = None


class ProductDraft(Record):
    """A product that a source describes."""

    product_id: ProductId
    title: str
    category: str = UNCATEGORISED
    description: str = ""
    page_url: str
    license: str | None = None
    videos: tuple[MediaRef, ...] = ()
    photos: tuple[MediaRef, ...] = ()

    def refs(self) -> Iterable[tuple[MediaKind, MediaRef]]:
        """All media, videos first, in the source's order."""
        yield from (("video", ref) for ref in self.videos)
        yield from (("photo", ref) for ref in self.photos)


class PageRecord(Record):
    """What one fetched page says."""

    drafts: tuple[ProductDraft, ...] = ()
    links: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()  # links to sitemaps
    fallbacks: dict[str, tuple[str, ...]] = Field(
        default_factory=dict
    )  # a link → what to read where the shop has nothing at it
    problem: str | None = None  # why its product data cannot be used
    problem_reason: str = "bad_product_data"


class MediaRecord(Record):
    """What is known of one fetched and checked media file."""

    sha256: Sha256
    num_bytes: int
    media_type: str
    extension: str  # with its dot
    retrieved_at: str


class CrawlSummary(Record):
    """What a crawl did."""

    source: SourceKind
    start: str
    complete: bool  # everything that the source offers was seen, and nothing failed
    num_products: int  # in data/ after the crawl
    num_new: int
    num_changed: int
    num_unchanged: int
    num_dropped: int  # left the source, or are off-spec now
    num_videos: int
    num_photos: int
    num_downloads: int  # responses with a body; 0 for a folder
    num_not_modified: int  # answered with 304, or kept from an interrupted crawl
    rejects: dict[str, int]  # rows of data/rejects.jsonl by reason
    notes: tuple[str, ...] = ()


def product_id_of(raw: str) -> str:
    """A `ProductId` for a source's own id: itself where it is legal, else a readable stem and a hash of the whole.

    >>> product_id_of("JEWE001")
    'JEWE001'
    >>> product_id_of("../../etc/passwd")
    'etc-passwd-3754d6cb'
    """
    if re.fullmatch(PRODUCT_ID_PATTERN, raw):
        return raw
    stem = re.sub(r"[^A-Za-z0-9]+", "-", raw).strip("-")[:_ID_STEM].strip("-") or "product"
    return f"{stem}-{hashlib.sha256(raw.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
