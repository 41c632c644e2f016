"""Where products come from, and the limits of fetching them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.params.base import Fraction, Positive
from pvtt.records.base import Record
from pvtt.records.catalog import SourceKind

Adapter = Literal["auto", "pages", "shopify", "woocommerce"]
FeedField = Literal["product_id", "title", "category", "description", "license", "videos", "photos"]


class CrawlParams(Record):
    source: SourceKind = "shop"  # a shop's pages, a feed file, or a folder
    start: str = "http://127.0.0.1:8765/"  # URL of a shop, path of a feed file or of a folder
    allowed_hosts: tuple[str, ...] = ("127.0.0.1",)  # no other host is asked
    allow_loopback: bool = False  # private address ranges are refused; this lets the local sample shop in
    obey_robots: bool = True  # whether robots.txt is obeyed
    adapter: Adapter = "auto"  # how a shop is read: through its system's own list of products, or from its pages only
    columns: dict[FeedField, str | tuple[str, ...]] = Field(default={})  # a feed's own names for our fields
    max_video_mb: Positive = 500  # larger videos are turned away
    max_photo_mb: Positive = 25  # larger photos are turned away
    max_products: int = Field(default=100_000, ge=1)  # the crawl ends after this many
    max_pages: int = Field(default=1_000_000, ge=1)  # a brake for shops whose links never end
    delay_s: float = Field(default=0.5, ge=0)  # between requests; above 0, also the server's own pace
    concurrency: int = Field(default=8, ge=1, le=64)  # requests at once
    license: str | None = None  # recorded where the page names none
    max_dropped_fraction: Fraction = 0.2  # if more of a source's products would leave at once, none does; one may
    max_failed_fraction: Fraction = 0.2  # the crawl fails if more of the products and rejects failed
