"""What the crawl and its child process tell each other."""

from __future__ import annotations

from pvtt.crawl.drafts import ProductDraft
from pvtt.crawl.guard import HostPolicy
from pvtt.params.crawl import CrawlParams
from pvtt.records.base import Record

MAX_PAGE_BYTES = 8_000_000  # of one page, after decompression


class CrawlJob(Record):
    """One crawl of a shop (`start`), or the media of products that are known already (`drafts`)."""

    root: str  # of the workspace
    state: str  # directory of the crawl state; its run has begun
    params: CrawlParams
    start: str | None = None
    drafts: tuple[ProductDraft, ...] = ()

    def policy(self) -> HostPolicy:
        return HostPolicy.of(self.params, self.start)


class CrawlProgress(Record):
    """A line of the child's standard output while it works."""

    answered: int
    asked: int
    products: int


class CrawlResult(Record):
    """The last line of the child's standard output."""

    start_problem: str | None = None  # why the start page could not be read
    num_unanswered: int = 0  # requests that failed in a way that may pass
    num_dead: int = 0  # links that lead nowhere (404, 410)
    num_downloads: int = 0
    num_not_modified: int = 0
    notes: tuple[str, ...] = ()  # for the summary
    limited: bool = False  # max_products or max_pages ended it
    storage_fault: str | None = None  # the message of the `StorageError` that ended the crawl
    storage_hint: str | None = None
