"""Whether what came for a page is one, and whole.

Needs an installed Twisted reactor; only the child process imports it.
"""

from __future__ import annotations

import zlib

from scrapy import Request
from scrapy.exceptions import ResponseDataLossError
from scrapy.http import HtmlResponse, Response, TextResponse

from pvtt.crawl.content import HEAD_BYTES, MEGABYTE, sniff
from pvtt.crawl.job import MAX_PAGE_BYTES
from pvtt.items.runner import ItemRejectedError

_GZIP = b"\x1f\x8b\x08"
_ARCHIVES_AND_DOCUMENTS = (b"PK\x03\x04", b"%PDF-", b"Rar!", b"7z\xbc\xaf")
_BEFORE_MARKUP = b"\xef\xbb\xbf\x00 \t\r\n"  # byte order mark, white space


class WholePages:
    """Downloader middleware next to the downloader: refuses pages whose gzip is cut off, as Scrapy reads a part."""

    def process_response(self, request: Request, response: Response) -> Response:
        """Raises `ResponseDataLossError`."""
        encoding = (response.headers.get("Content-Encoding") or b"").strip().lower()
        if encoding in (b"gzip", b"x-gzip") and response.body:
            _gunzip(response.body)
        return response


def as_page(response: Response, limit: int = MAX_PAGE_BYTES) -> TextResponse:
    """The answer as a page, by its bytes: its type and its name may say anything.

    Args:
        response: The answer.
        limit: Of one that is gzip without saying so, the most that is unpacked.

    Raises:
        ItemRejectedError: `not_a_page`, or `too_large` for one that is gzip without saying so.
        ResponseDataLossError: As `WholePages`.
    """
    body = response.body
    if body.startswith(_GZIP):
        body = _gunzip(body, limit)
        if len(body) > limit:
            raise ItemRejectedError("too_large", f"the page is larger than {limit / MEGABYTE:g} MB")
        response = HtmlResponse(response.url, status=response.status, headers=response.headers, body=body)
    head = body[:HEAD_BYTES]
    is_text = isinstance(response, TextResponse) or head.lstrip(_BEFORE_MARKUP)[:1] in (b"<", b"")
    if not is_text or sniff(head) is not None or head.startswith(_ARCHIVES_AND_DOCUMENTS):
        raise ItemRejectedError("not_a_page", "its bytes are not those of a page")
    if isinstance(response, TextResponse):
        return response
    return HtmlResponse(response.url, status=response.status, headers=response.headers, body=body)


def _gunzip(body: bytes, limit: int = MAX_PAGE_BYTES) -> bytes:
    """The unpacked bytes, or more than `limit` of them; several gzip members are one, as RFC 1952 says."""
    found = bytearray()
    while body.startswith(_GZIP) and len(found) <= limit:
        member = zlib.decompressobj(wbits=31)
        try:
            found += member.decompress(body, limit + 1 - len(found))
        except zlib.error:
            raise ResponseDataLossError("its body is not the gzip that it is said to be") from None
        if not member.eof and len(found) <= limit:
            raise ResponseDataLossError("its gzip body is cut off")
        body = member.unused_data
    if not found and body:
        raise ResponseDataLossError("its body is not the gzip that it is said to be")
    return bytes(found)
