"""Scrapy's download handler: how media reach the disk.

Needs an installed Twisted reactor; only the child process imports it.
"""
# Twisted is typed in part, and its interfaces are in camel case.
# ruff: noqa: N802
# mypy: disallow-untyped-calls=False, disable-error-code="misc,import-untyped"

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)
from scrapy.http import Headers, Response
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet import error, reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers as TxHeaders
from twisted.web.iweb import UNKNOWN_LENGTH

from pvtt.crawl.content import HLS, MediaReceiver, check_size, max_bytes, probe
from pvtt.crawl.drafts import MediaRecord
from pvtt.crawl.guarded import ROBOTS
from pvtt.crawl.playlist import Part
from pvtt.crawl.robots import MAX_ROBOTS_BYTES, unpacked
from pvtt.files.atomic import atomic_path
from pvtt.files.storage import storage_errors
from pvtt.items.runner import ItemRejectedError

PARAMS = "PVTT_PARAMS"  # Scrapy setting: the `CrawlParams` of the crawl
KIND = "pvtt_kind"  # request meta: page, video or photo
URL = "pvtt_url"  # the URL that was asked for, before redirects
SAVE_AS = "pvtt_save_as"  # the path that a media file gets when it is whole and checked
SAVED = "pvtt_saved"  # the MediaRecord of what was saved
PLAYLIST = "pvtt_playlist"  # instead: the bytes of an HLS playlist, whose film is still to be fetched
PIECE = "piece"  # the kind of a playlist's piece, which is saved as it comes
PART = "pvtt_part"  # the `Part` of a file that a piece is
PIECE_LIMIT = "pvtt_piece_limit"  # the most bytes that a piece may have

CONNECT_TIMEOUT_S = 20.0
IDLE_TIMEOUT_S = 60.0  # for the head of an answer, and between two pieces of a body
ROBOTS_TIMEOUT_S = 30.0  # for a whole robots.txt, and as much for its head
TOTAL_TIMEOUT_S = 3600.0  # for a body that trickles
SMALL_BODY_BYTES = 65536  # of an error page or a redirect, which are of no interest in themselves
PARTIAL = 206  # of a piece that was asked for as a part of a file
GOOD = (200, 203)  # statuses with the thing itself; others below 300 have none, a part, or a wall's page


class MediaDownloadHandler(HTTP11DownloadHandler):
    """Streams media to the disk in bounded memory, checked while they arrive; leaves pages to Scrapy.

    Of a robots.txt it takes the octets as they come, and hangs up behind those that count.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._params = crawler.settings[PARAMS]
        self._media_pool = HTTPConnectionPool(reactor, persistent=True)
        self._media_pool.maxPersistentPerHost = self._params.concurrency
        self._agent = Agent(
            reactor, BrowserLikePolicyForHTTPS(), connectTimeout=CONNECT_TIMEOUT_S, pool=self._media_pool
        )

    async def download_request(self, request: Request) -> Response:
        """Raises `ItemRejectedError` for bytes that are not what they should be, and Scrapy's network errors."""
        if SAVE_AS not in request.meta and ROBOTS not in request.meta:
            return await super().download_request(request)
        start = time.monotonic()
        is_robots = ROBOTS in request.meta
        try:
            asked = self._agent.request(b"GET", request.url.encode("ascii"), TxHeaders(dict(request.headers)))
            asked.addTimeout(ROBOTS_TIMEOUT_S if is_robots else IDLE_TIMEOUT_S, reactor, _no_answer)
            answer = await maybe_deferred_to_future(asked)
            request.meta["download_latency"] = time.monotonic() - start
            headers = Headers(dict(answer.headers.getAllRawHeaders()))
            if is_robots:
                body = await _read_start(answer, MAX_ROBOTS_BYTES, ROBOTS_TIMEOUT_S)
                encoding = b",".join(headers.getlist("Content-Encoding")).decode("latin-1")
                headers.pop("Content-Encoding", None)
                body = unpacked(body, encoding) if 200 <= answer.code < 300 else b""
            elif answer.code in GOOD or (answer.code == PARTIAL and _length_of_part(request) is not None):
                body = b""
                await self._save(answer, request)
            else:
                body = await _read_start(answer, SMALL_BODY_BYTES)
        except error.ConnectionRefusedError as problem:
            raise DownloadConnectionRefusedError(str(problem)) from problem
        except error.DNSLookupError as problem:
            raise CannotResolveHostError(str(problem)) from problem
        except error.TimeoutError as problem:
            raise DownloadTimeoutError(str(problem)) from problem
        return Response(request.url, status=answer.code, headers=headers, body=body)

    async def _save(self, answer: Any, request: Request) -> None:
        kind, path = request.meta[KIND], Path(request.meta[SAVE_AS])
        limit = request.meta[PIECE_LIMIT] if kind == PIECE else max_bytes(kind, self._params)
        is_whole_of_a_part = answer.code != PARTIAL and _length_of_part(request) is not None
        if answer.length is not UNKNOWN_LENGTH and answer.length > limit and not is_whole_of_a_part:
            answer.deliverBody(_HangUp())
            check_size(answer.length, limit)
        if kind == PIECE:
            await _save_piece(answer, path, limit, request.meta.get(PART))
            return
        with suppress(_EnoughError), atomic_path(path) as temporary:
            with temporary.open("wb") as file:
                receiver = MediaReceiver(kind, limit, file, playlists=True)
                await _deliver(answer, receiver.write)
            sha256, media_type = receiver.finish()
            if media_type is HLS:
                request.meta[PLAYLIST] = temporary.read_bytes()
                raise _EnoughError  # a playlist is not kept
            probe(temporary, media_type)
        if PLAYLIST in request.meta:
            return
        request.meta[SAVED] = MediaRecord(
            sha256=sha256,
            num_bytes=receiver.num_bytes,
            media_type=media_type.name,
            extension=media_type.extension,
            retrieved_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    async def close(self) -> None:
        self._media_pool.closeCachedConnections()
        await super().close()


def _length_of_part(request: Request) -> int | None:
    part: Part | None = request.meta.get(PART)
    return None if part is None else part.length


async def _save_piece(answer: Any, path: Path, limit: int, part: Part | None) -> None:
    """Save a piece; of a whole file, where a part of it was asked for that begins it, this part."""
    num_bytes = 0
    length = None if part is None else part.length
    if part is not None and length is not None and not _begins_at(answer, part.begin):
        answer.deliverBody(_HangUp())
        raise ItemRejectedError("not_a_video", "its server gives other parts of files than it is asked for, or none")
    with suppress(_EnoughError), storage_errors(path), path.open("wb") as file:

        def take(data: bytes) -> None:
            nonlocal num_bytes
            data = data if length is None else data[: length - num_bytes]
            num_bytes += len(data)
            if num_bytes > limit:
                raise ItemRejectedError("too_large", "with it the film is above crawl.max_video_mb")
            file.write(data)
            if num_bytes == length:
                raise _EnoughError

        await _deliver(answer, take)
    if length is not None and num_bytes < length:
        raise ItemRejectedError("truncated", f"{num_bytes} bytes of a part of {length}")


def _begins_at(answer: Any, begin: int) -> bool:
    if answer.code != PARTIAL:
        return begin == 0
    told = answer.headers.getRawHeaders(b"Content-Range", [b""])[0].decode("latin-1")
    return told.replace(" ", "").lower().startswith(f"bytes{begin}-")


def _no_answer(_: Any, timeout_s: float) -> Failure:
    return Failure(DownloadTimeoutError(f"no answer for {timeout_s:g} s"))


async def _deliver(answer: Any, take: Any, timeout_s: float | None = None) -> None:
    """Feed an answer's body to `take`, piece by piece; an error of `take` closes the connection and is raised."""
    if answer.length == 0:
        return
    finished: Deferred[None] = Deferred()
    answer.deliverBody(_Body(take, finished, timeout_s or TOTAL_TIMEOUT_S))
    await maybe_deferred_to_future(finished)


async def _read_start(answer: Any, limit: int, timeout_s: float | None = None) -> bytes:
    """A body; of one that is longer, somewhat more than `limit` bytes."""
    body = bytearray()

    def take(data: bytes) -> None:
        body.extend(data)
        if len(body) > limit:
            raise _EnoughError

    with suppress(_EnoughError):
        await _deliver(answer, take, timeout_s)
    return bytes(body)


class _EnoughError(Exception):
    """No more of this body is wanted."""


class _HangUp(Protocol):
    """Closes the connection instead of reading a body."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


class _Body(Protocol, TimeoutMixin):
    def __init__(self, take: Any, finished: Deferred[None], timeout_s: float) -> None:
        self._take = take
        self._finished = finished
        self._timeout_s = timeout_s
        self._idle_s = min(IDLE_TIMEOUT_S, timeout_s)
        self._deadline = time.monotonic() + timeout_s
        self.setTimeout(self._idle_s)

    def timeoutConnection(self) -> None:
        self._fail(DownloadTimeoutError(f"no data for {self._idle_s:g} s"))

    def dataReceived(self, data: bytes) -> None:
        if self._finished.called:
            return
        self.resetTimeout()
        if time.monotonic() > self._deadline:
            self._fail(DownloadTimeoutError(f"not whole after {self._timeout_s:g} s"))
            return
        try:
            self._take(data)
        except (ItemRejectedError, OSError, _EnoughError) as problem:
            self._fail(problem)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._finished.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):  # the latter: a server that ends a body by closing
            self.setTimeout(None)
            self._finished.callback(None)
        else:
            self._fail(ResponseDataLossError("the connection broke before the file was whole"))

    def _fail(self, problem: Exception) -> None:
        self.setTimeout(None)
        if self.transport is not None:
            self.transport.loseConnection()
        if not self._finished.called:
            self._finished.errback(Failure(problem))
