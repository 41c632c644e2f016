"""Why a request gave nothing, as a reason code and a line for a person.

Needs an installed Twisted reactor; only the child process imports it.
"""

from __future__ import annotations

from scrapy import Request
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    IgnoreRequest,
)
from scrapy.spidermiddlewares.httperror import HttpError
from scrapy.utils.httpobj import urlparse_cached

from pvtt.crawl.content import MEGABYTE
from pvtt.crawl.download import URL
from pvtt.crawl.guarded import GuardedResolver
from pvtt.crawl.job import MAX_PAGE_BYTES
from pvtt.crawl.pace import HostBusyError
from pvtt.crawl.state import Refusal
from pvtt.items.runner import ItemRejectedError

_PACKED_BOMB = "during decompression"  # what Scrapy's HttpCompressionMiddleware says


class RefusedError(Exception):
    """A request that a middleware of ours refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refusal_of(problem: BaseException, request: Request) -> Refusal:
    """The refusal behind an error.

    Args:
        problem: What Scrapy, Twisted or a middleware of ours raised.
        request: The last one of its redirects, as far as that is known.
    """
    if isinstance(problem, ItemRejectedError):
        where = "" if request.url == request.meta.get(URL, request.url) else f" (redirected to {request.url})"
        return Refusal(problem.reason, problem.message + where)
    if isinstance(problem, RefusedError):
        return problem.refusal
    if isinstance(problem, HostBusyError):
        return Refusal("rate_limited", f"{problem}", failed=True)
    if isinstance(problem, HttpError):
        return Refusal("http_error", f"answered with status {problem.response.status}", failed=True)
    limit = request.meta.get("download_maxsize", MAX_PAGE_BYTES)
    too_large = Refusal("too_large", f"the page is larger than {limit / MEGABYTE:g} MB")
    if isinstance(problem, DownloadCancelledError):
        return too_large
    if isinstance(problem, IgnoreRequest):
        return too_large if _PACKED_BOMB in str(problem) else Refusal("http_error", f"{problem}", failed=True)
    if isinstance(problem, CannotResolveHostError):
        host = urlparse_cached(request).hostname or ""
        if host in GuardedResolver.refused:
            return Refusal("forbidden_host", GuardedResolver.refused[host])
        return Refusal("http_error", f"no host has the name {host}", failed=True)
    if isinstance(problem, DownloadConnectionRefusedError):
        return Refusal("http_error", "the connection was refused", failed=True)
    text = (str(problem).strip().splitlines() or [""])[0]
    return Refusal("http_error", f"{type(problem).__name__}: {text}".rstrip(": "), failed=True)
