"""The spider: pages into drafts and links, drafts into media, everything into the crawl state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import scrapy
from scrapy import Request
from scrapy.exceptions import CloseSpider, ResponseDataLossError
from scrapy.http import Response, TextResponse
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from pvtt.crawl.adapters import adapter_start, read_json_page
from pvtt.crawl.bodies import as_page
from pvtt.crawl.content import max_bytes
from pvtt.crawl.decode import page_text
from pvtt.crawl.download import GOOD, KIND, PLAYLIST, SAVE_AS, SAVED, URL
from pvtt.crawl.drafts import MediaKind, MediaRecord, PageRecord, ProductDraft
from pvtt.crawl.forget import Tombstones
from pvtt.crawl.job import MAX_PAGE_BYTES, CrawlJob, CrawlProgress, CrawlResult
from pvtt.crawl.pages import read_html_page
from pvtt.crawl.refusals import RefusedError, refusal_of
from pvtt.crawl.sitemaps import BAD_SITEMAP, MAX_SITEMAP_BYTES, MAX_SITEMAPS, USUAL_PLACE, is_sitemap, read_sitemap
from pvtt.crawl.state import CrawlState, Fetched, Refusal
from pvtt.errors import StorageError
from pvtt.files.storage import raise_storage_fault, storage_fault
from pvtt.items.runner import ItemRejectedError

PASSING = (408, 425, 429)  # 4xx that say nothing about what is there
GONE = (404, 410)  # the source's definite answer: nothing is there
MEDIA_PRIORITY = 10  # media before further pages, so that a product is finished early


class ShopSpider(scrapy.Spider):
    """Crawls one source.

    Args:
        job: The start page or the products, and the params of the crawl.
        state: The database that results are kept in.
        held: Contents that `data/` holds: SHA-256 → file.
        tombstones: Of products whose media are not asked for.
        report: Called as the crawl goes on.
    """

    name = "pvtt"

    def __init__(
        self,
        job: CrawlJob,
        state: CrawlState,
        held: dict[str, Path],
        tombstones: Tombstones,
        report: Callable[[CrawlProgress], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._start_problem: str | None = None
        self._storage_fault: StorageError | None = None
        self.notes: list[str] = []  # for the crawl's summary
        self._limited = False
        self._num_unanswered = 0
        self._num_dead = 0
        self._num_downloads = 0
        self._num_not_modified = 0
        self._job = job
        self._state = state
        self._held = held
        self._tombstones = tombstones
        self._report = report
        self._seen: set[tuple[str, str]] = set()
        self._products: set[str] = set()
        self._fallbacks: dict[str, tuple[str, ...]] = {}
        self._num_pages = 0
        self._num_asked = 0
        self._num_answered = 0
        self.named_sitemaps: list[str] = []  # by the robots.txt of sites that were asked
        self._sitemaps: set[str] = set()
        self._usual_sitemap = "" if job.start is None else urljoin(job.start, USUAL_PLACE)
        self._num_sitemaps = 0
        self._num_outside = 0  # pages of sitemaps

    async def start(self) -> AsyncIterator[Any]:
        if self._job.start is not None:
            for request in self._visit([self._job.start]):
                yield request
        for draft in self._job.drafts:
            for request in self._media(draft):
                yield request

    @property
    def stopping(self) -> bool:
        """Whether nothing more is to be fetched."""
        return self._storage_fault is not None

    def result(self) -> CrawlResult:
        """What came of the crawl, once it is over."""
        fault = self._storage_fault
        if self._num_outside:
            self.notes.append(f"{self._num_outside} pages that sitemaps name are of other sites: passed over")
        return CrawlResult(
            start_problem=self._start_problem,
            num_unanswered=self._num_unanswered,
            num_dead=self._num_dead,
            num_downloads=self._num_downloads,
            num_not_modified=self._num_not_modified,
            limited=self._limited,
            notes=tuple(sorted(self.notes)),
            storage_fault=None if fault is None else fault.message,
            storage_hint=None if fault is None else fault.hint,
        )

    def read_page(self, response: Response) -> Iterator[Request]:
        """Callback of a page."""
        with self._stopping_on_a_storage_fault():
            self._answered()
            yield from self._read_page(response)

    async def take_media(self, response: Response) -> None:
        """Callback of a media file, which is whole, checked and under its own name by now; or of a playlist."""
        with self._stopping_on_a_storage_fault():
            if PLAYLIST in response.meta:
                await self._take_film(response)
            self._answered()
            self._take_media(response)

    def failed(self, failure: Failure) -> Iterator[Request]:
        """Errback of both."""
        problem = failure.value
        assert problem is not None
        request: Request = failure.request  # type: ignore[attr-defined]
        with self._stopping_on_a_storage_fault():
            raise_storage_fault(problem, self._state.staging)
            self._answered()
            if request.meta[URL] in self._fallbacks and _is_definite(problem, request):
                yield from self._visit(list(self._fallbacks[request.meta[URL]]))
            else:
                self._note_failure(request, problem)

    def _read_page(self, response: Response) -> Iterator[Request]:
        url = response.meta[URL]
        if response.status == 304:
            self._state.confirm("page", url)
            known = self._state.page(url)
            assert known is not None
            assert isinstance(known.record, PageRecord)
            self._num_not_modified += 1
            yield from self._use(known.record)
            if url == self._job.start and not known.record.fallbacks:
                yield from self._visit(self._found_sitemaps())
            return
        self._num_downloads += 1
        if response.status not in GOOD:
            self._note("page", url, _not_good(response))
            return
        try:
            record = self._record(response, url)
        except ItemRejectedError as rejected:
            if url in self._fallbacks:
                yield from self._visit(list(self._fallbacks[url]))
                return
            known = self._state.page(url)
            known_record = known.record if known is not None and isinstance(known.record, PageRecord) else PageRecord()
            was_of_use = bool(known_record.drafts) or (url in self._sitemaps and known is not None)
            self._note("page", url, Refusal(rejected.reason, rejected.message, failed=was_of_use))
            return
        except ResponseDataLossError as problem:
            self._note("page", url, refusal_of(problem, request=response.request or Request(url)))
            return
        except Exception as error:  # one page that the reader trips over never ends a crawl; it is recorded and counted
            self.logger.exception("cannot read %s", url)
            self._num_unanswered += 1
            self._state.refuse(
                "page", url, Refusal("error", f"{type(error).__name__}: {error}", failed=True), forget=False
            )
            return
        if url in self._fallbacks and (record.problem is not None or not (record.drafts or record.links)):
            yield from self._visit(list(self._fallbacks[url]))
            return
        new = {draft.product_id for draft in record.drafts} - self._products
        if len(self._products) + len(new) > self._job.params.max_products:
            self._limited = True
            return
        self._keep("page", url, record, response)
        yield from self._use(record)

    def _take_media(self, response: Response) -> None:
        kind, url = response.meta[KIND], response.meta[URL]
        if response.status == 304:
            self._state.confirm(kind, url)
            self._num_not_modified += 1
            return
        self._num_downloads += 1
        if response.status not in GOOD:
            self._note(kind, url, _not_good(response))
            return
        if SAVED in response.meta:
            self._keep(kind, url, response.meta[SAVED], response)

    async def _take_film(self, response: Response) -> None:
        """Fetch what a playlist names, or note why there is no film."""
        from pvtt.crawl.hls import fetch_film

        kind, url = response.meta[KIND], response.meta[URL]
        engine = self.crawler.engine
        assert engine is not None
        try:
            response.meta[SAVED] = await fetch_film(
                engine.download_async,
                response.meta[PLAYLIST],
                response.url,
                Path(response.meta[SAVE_AS]),
                max_bytes(kind, self._job.params),
                datetime.now(UTC).isoformat(timespec="seconds"),
            )
        except (ItemRejectedError, RefusedError) as problem:
            self._note(kind, url, refusal_of(problem, Request(url)))

    def _note(self, kind: Literal["page"] | MediaKind, url: str, refusal: Refusal, *, gone: bool = False) -> None:
        """Keep a refusal; `gone` where the source says that nothing is there."""
        if url == self._usual_sitemap and url not in self.named_sitemaps and self._state.page(url) is None:
            return  # nobody said that there is one
        if url == self._job.start:
            self._start_problem = f"{refusal.reason}: {refusal.message}"
        if refusal.failed and not gone:
            self._num_unanswered += 1
        self._state.refuse(kind, url, refusal, forget=gone or not refusal.failed)

    def _note_failure(self, request: Request, problem: BaseException) -> None:
        kind, url = request.meta[KIND], request.meta[URL]
        refusal = refusal_of(problem, request)
        gone = isinstance(problem, HttpError) and problem.response.status in GONE
        if gone and kind == "page" and url != self._job.start:
            self._num_dead += url != self._usual_sitemap
            self._state.forget("page", url)  # a dead link is no fault of the crawl; no product is behind it any more
        else:
            self._note(kind, url, refusal, gone=gone)

    @contextmanager
    def _stopping_on_a_storage_fault(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            fault = storage_fault(error, self._state.directory)
            if fault is None:
                raise
            self._storage_fault = fault
            raise CloseSpider("storage_fault") from error

    def _visit(self, urls: list[str]) -> Iterator[Request]:
        """Requests for pages; pages that this run read before it was interrupted are used at once, with their links."""
        pending = list(reversed(urls))
        while pending:
            url = pending.pop()
            if ("page", url) in self._seen:
                continue
            is_map = url in self._sitemaps
            if is_map and self._num_sitemaps >= MAX_SITEMAPS:
                self._limited = True
                continue
            if not is_map and self._num_pages >= self._job.params.max_pages:
                self._limited = True
                return
            self._seen.add(("page", url))
            self._num_pages += not is_map
            self._num_sitemaps += is_map
            known = self._state.page(url)
            if known is not None and known.fresh and isinstance(known.record, PageRecord):
                self._num_not_modified += 1
                yield from self._use_drafts(known.record)
                pending.extend(reversed(self._links(known.record)))
            else:
                yield self._request(
                    "page", url, known, callback=self.read_page, meta={"download_maxsize": self._max_bytes(url)}
                )

    def _use(self, record: PageRecord) -> Iterator[Request]:
        yield from self._use_drafts(record)
        yield from self._visit(self._links(record))

    def _links(self, record: PageRecord) -> list[str]:
        """All pages that a record leads to, sitemaps last."""
        self._sitemaps.update(record.sitemaps)
        if record.problem_reason == BAD_SITEMAP and record.problem is not None:
            self._num_unanswered += 1  # what it does not name may still be there
        return [*record.links, *record.sitemaps]

    def _found_sitemaps(self) -> list[str]:
        """Sitemaps of the shop, by now: those that its robots.txt names, and the usual place."""
        found = list(dict.fromkeys([*self.named_sitemaps, self._usual_sitemap]))
        self._sitemaps.update(found)
        return found

    def _max_bytes(self, url: str) -> int:
        return MAX_SITEMAP_BYTES if url in self._sitemaps else MAX_PAGE_BYTES

    def _use_drafts(self, record: PageRecord) -> Iterator[Request]:
        self._fallbacks.update(record.fallbacks)
        for draft in record.drafts:
            self._products.add(draft.product_id)
            yield from self._media(draft)

    def _media(self, draft: ProductDraft) -> Iterator[Request]:
        """Requests for a draft's media that this run has no answer on; a product without video needs no photos."""
        if not draft.videos or self._tombstones.of_product(draft.product_id, draft.page_url) is not None:
            return
        for kind, ref in draft.refs():
            url = ref.url
            is_path = "://" not in url and self._job.start is None  # beside a feed
            if (kind, url) in self._seen or is_path:
                continue
            self._seen.add((kind, url))
            known = self._state.media(kind, url)
            if known is not None and not self._has_bytes(kind, url, known):
                known = None
            refusal = self._state.refusal(kind, url)
            if (known is not None and known.fresh) or (refusal is not None and not refusal.failed):
                self._num_not_modified += 1
                continue
            fault = self._job.policy().fault(url)
            if fault is not None:
                self._state.refuse(kind, url, Refusal("forbidden_host", fault), forget=True)
                continue
            yield self._request(
                kind,
                url,
                known,
                callback=self.take_media,
                meta={SAVE_AS: self._state.staged(kind, url)},
                priority=MEDIA_PRIORITY,
            )

    def _has_bytes(self, kind: MediaKind, url: str, known: Fetched) -> bool:
        assert isinstance(known.record, MediaRecord)
        return known.record.sha256 in self._held or self._state.staged_file(kind, url, known) is not None

    def _request(
        self,
        kind: Literal["page"] | MediaKind,
        url: str,
        known: Fetched | None,
        callback: Callable[..., Any],
        meta: dict[str, Any],
        priority: int = 0,
    ) -> Request:
        headers = {}
        if known is not None and known.etag is not None:
            headers["If-None-Match"] = known.etag
        if known is not None and known.modified is not None:
            headers["If-Modified-Since"] = known.modified
        if kind != "page":
            headers["Accept-Encoding"] = "identity"  # checked and hashed as they arrive
        meta = {**meta, KIND: kind, URL: url}
        if headers.keys() & {"If-None-Match", "If-Modified-Since"}:
            meta["handle_httpstatus_list"] = [304]
        self._num_asked += 1
        # Redirect loops must end in the errback, not in the duplicate filter: `_seen` does its work.
        return Request(
            url, callback=callback, errback=self.failed, headers=headers, meta=meta, priority=priority, dont_filter=True
        )

    def _record(self, response: Response, url: str) -> PageRecord:
        page = as_page(response, self._max_bytes(url))
        if url not in self._sitemaps and not is_sitemap(page.body):
            return self._page_record(page, is_start=url == self._job.start)
        record, num_outside = read_sitemap(page.body, response.url, self._sites(response.url))
        self._num_outside += num_outside
        return record

    def _sites(self, url: str) -> set[str]:
        """Hosts and ports of the shop's pages: the start's, that which it redirects to, and a sitemap's own."""
        assert self._job.start is not None
        start = self._state.page(self._job.start)
        links = start.record.links[:1] if start is not None and isinstance(start.record, PageRecord) else ()
        return {urlsplit(one).netloc for one in (self._job.start, url, *links)}

    def _page_record(self, response: TextResponse, is_start: bool) -> PageRecord:
        content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
        text = page_text(response.body, content_type)
        record = read_json_page(text, response.url)
        if record is not None:
            return record
        record = read_html_page(text, response.url)
        if not is_start:
            return record
        sitemaps = tuple(self._found_sitemaps())
        adapter = adapter_start(text, response.url, self._job.params.adapter)
        if adapter is None:
            return record.model_copy(update={"sitemaps": sitemaps})
        return PageRecord(links=(adapter,), fallbacks={adapter: (*record.links, *sitemaps)})

    def _keep(
        self, kind: Literal["page"] | MediaKind, url: str, record: PageRecord | MediaRecord, response: Response
    ) -> None:
        def header(name: str) -> str | None:
            value = response.headers.get(name)
            return None if value is None else value.decode("latin-1")

        self._state.keep(kind, url, record, header("ETag"), header("Last-Modified"))

    def _answered(self) -> None:
        self._num_answered += 1
        self._report(CrawlProgress(answered=self._num_answered, asked=self._num_asked, products=len(self._products)))


def _not_good(response: Response) -> Refusal:
    """Of a 2xx status that does not say to be the thing itself: 202 is often a wall's, 206 a part's."""
    return Refusal("http_error", f"answered with status {response.status}", failed=True)


def _is_definite(problem: BaseException, request: Request) -> bool:
    """Whether the shop will not answer a request the next time either."""
    if isinstance(problem, HttpError):
        return 400 <= problem.response.status < 500 and problem.response.status not in PASSING
    return not refusal_of(problem, request).failed
