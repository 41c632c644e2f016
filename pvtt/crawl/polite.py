"""Scrapy's middlewares for manners: robots.txt is read and obeyed, and a host is asked no faster than it wants.

Needs an installed Twisted reactor; only the child process imports it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import islice
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.exceptions import CannotResolveHostError, DownloadConnectionRefusedError, IgnoreRequest, NotConfigured
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.sitemap import sitemap_urls_from_robots

from pvtt.crawl.download import PARAMS
from pvtt.crawl.guard import DEFAULT_PORTS
from pvtt.crawl.guarded import ROBOTS
from pvtt.crawl.pace import MAX_CRAWL_DELAY_S, HostBusyError, Pace, asks_to_wait, retry_after_s
from pvtt.crawl.refusals import RefusedError, refusal_of
from pvtt.crawl.robots import MAX_ROBOTS_BYTES, RobotsRules, RobotsUnreachableError, rules_of
from pvtt.crawl.sitemaps import MAX_SITEMAPS
from pvtt.crawl.state import Refusal
from pvtt.items.runner import ItemRejectedError

PACE = "PVTT_PACE"  # Scrapy setting: the `Pace` of the crawl
ROBOTS_PRIORITY = 1000
READ_AGAIN_AFTER_S = 24 * 3600.0  # RFC 9309, 2.4
_NO_SITE = (CannotResolveHostError, DownloadConnectionRefusedError)
POLL_S = 0.5  # how soon a waiting request sees that its host waits longer, or that the crawl ends

logger = logging.getLogger(__name__)


def authority_of(url: str) -> str:
    """Host and port: what has one robots.txt, together with the scheme, and one pace."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or DEFAULT_PORTS.get(parts.scheme, 0)}"


@dataclass(frozen=True)
class _Site:
    """A site's robots.txt, or the refusal of all its pages while that is not known."""

    read_at: float
    rules: RobotsRules | Refusal


class RobotsTxt:
    """Downloader middleware: asks each site's robots.txt first, and fetches nothing that it forbids or may forbid.

    Args:
        crawler: The crawl.
        clock: Seconds that only grow; by it a robots.txt is read again after a day.
    """

    def __init__(self, crawler: Crawler, clock: Callable[[], float] = time.monotonic) -> None:
        if not crawler.settings[PARAMS].obey_robots:
            raise NotConfigured
        self._crawler = crawler
        self._clock = clock
        self._pace: Pace = crawler.settings[PACE]
        self._sites: dict[str, _Site] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> RobotsTxt:
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Raises `ItemRejectedError` where a rule forbids the URL, `RefusedError` where the rules cannot be known."""
        if ROBOTS in request.meta:
            return
        site = await self._site(request.url)
        if isinstance(site.rules, Refusal):
            raise RefusedError(site.rules)
        line = site.rules.forbidding(request.url)
        if line is not None:
            logger.info("robots.txt forbids %s by %s", request.url, line)
            raise ItemRejectedError("robots_forbidden", "the site's robots.txt forbids it")

    async def _site(self, url: str) -> _Site:
        place = f"{urlsplit(url).scheme}://{authority_of(url)}"
        async with self._locks.setdefault(place, asyncio.Lock()):
            site = self._sites.get(place)
            if site is None or self._clock() - site.read_at > READ_AGAIN_AFTER_S:
                site = self._sites[place] = await self._read(url)
            return site

    async def _read(self, url: str) -> _Site:
        parts = urlsplit(url)
        robots_url = f"{parts.scheme}://{parts.netloc}/robots.txt"
        asked: list[str] = []
        request = Request(
            robots_url,
            headers={"Accept-Encoding": "identity"},
            priority=ROBOTS_PRIORITY,
            meta={ROBOTS: asked},
            callback=NO_CALLBACK,
        )
        assert self._crawler.engine is not None
        try:
            response = await self._crawler.engine.download_async(request)
            rules = rules_of(response.status, response.body)
            self._crawler.spider.named_sitemaps += islice(  # type: ignore[union-attr]
                sitemap_urls_from_robots(response.body[:MAX_ROBOTS_BYTES], response.url), MAX_SITEMAPS
            )
        except Exception as problem:  # whatever it is: what is not known forbids
            refusal = _refusal(problem, request, asked)
            logger.warning("%s: %s", robots_url, refusal.message)
            return _Site(self._clock(), refusal)
        self._obey_delay(url, rules.crawl_delay_s)
        return _Site(self._clock(), rules)

    def _obey_delay(self, url: str, delay_s: float) -> None:
        host = authority_of(url)
        if not self._pace.slow_down(host, delay_s):
            spider = self._crawler.spider
            spider.notes.append(  # type: ignore[union-attr]
                f"{host} asks for {delay_s:g} s between requests (Crawl-delay): taken as {MAX_CRAWL_DELAY_S:g} s"
            )


def _refusal(problem: Exception, request: Request, asked: list[str]) -> Refusal:
    """What to say of all pages of a site whose robots.txt could not be had.

    Args:
        problem: Why.
        request: The first one for it.
        asked: All URLs that were asked for it, redirects and retries included.
    """
    last = asked[-1] if asked else request.url
    refusal = refusal_of(problem, request.replace(url=last))
    if isinstance(problem, _NO_SITE) and authority_of(last) == authority_of(request.url):
        return refusal  # as its pages would be
    why = f"{problem}" if isinstance(problem, RobotsUnreachableError) else refusal.message
    where = "" if last == request.url else f" (redirected to {last})"
    return Refusal(
        "robots_forbidden", f"{request.url} cannot be read{where}, which forbids the site for now: {why}", failed=True
    )


class Patience:
    """Downloader middleware next to the downloader: holds requests until their host may be asked, and asks again."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._pace: Pace = crawler.settings[PACE]

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Patience:
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Raises `HostBusyError` where the host asks to wait longer than a crawl does."""
        host, counts = authority_of(request.url), ROBOTS not in request.meta
        while wait := self._pace.claim(host, time.monotonic(), counts=counts):
            await asyncio.sleep(min(wait, POLL_S))
            if self._crawler.spider.stopping:  # type: ignore[union-attr]
                raise IgnoreRequest("the crawl was stopped")

    def process_response(self, request: Request, response: Response) -> Response | Request:
        """Raises `HostBusyError` where a request was answered so too often."""
        host = authority_of(request.url)
        value = response.headers.get("Retry-After")
        if not asks_to_wait(response.status, value is not None):
            self._pace.answered(host, time.monotonic())
            return response
        seconds = retry_after_s(None if value is None else value.decode("latin-1"), _server_time(response))
        self._pace.asked_to_wait(host, time.monotonic(), response.status, seconds)
        logger.info("%s answers with %d, Retry-After %r", host, response.status, value)
        spider = self._crawler.spider
        assert spider is not None
        again = get_retry_request(request, spider=spider, reason=f"status {response.status}", give_up_log_level="INFO")
        if again is None:
            raise HostBusyError(
                f"answered with status {response.status} {request.meta['retry_times'] + 1} times, each after the wait "
                "that it asked for: crawl again later"
            )
        return again


def _server_time(response: Response) -> float:
    """What time it is where the answer comes from, as seconds since 1970."""
    try:
        return parsedate_to_datetime((response.headers.get("Date") or b"").decode("latin-1")).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return time.time()
