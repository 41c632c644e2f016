"""A film that a shop serves in pieces (HLS): fetched piece by piece, and put together into one MP4.

Every playlist and every piece is a request of its own through the crawl's downloader: allow-list, robots.txt, pace,
retries and redirects are those of all others. FFmpeg reads local files only, with its demuxer named.

Needs an installed Twisted reactor; only the child process imports it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from scrapy import Request
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from pvtt.crawl.content import MP4, check_size, probe
from pvtt.crawl.download import GOOD, KIND, PART, PARTIAL, PIECE, PIECE_LIMIT, SAVE_AS, URL
from pvtt.crawl.drafts import MediaRecord
from pvtt.crawl.playlist import MAX_PLAYLIST_BYTES, Part, Pieces, Variant, fault, read_playlist
from pvtt.crawl.refusals import RefusedError, refusal_of
from pvtt.crawl.remux import remux
from pvtt.crawl.state import Refusal
from pvtt.files.atomic import atomic_path
from pvtt.files.hashing import sha256_file
from pvtt.files.storage import TEMPORARY_PREFIX, raise_storage_fault

MEDIA_PRIORITY = 10  # media before further pages, so that a product is finished early
MAX_VARIANTS = 8  # that are looked at for one whose size is within the limit
Download = Callable[[Request], Awaitable[Response]]


async def fetch_film(
    download: Download, playlist: bytes, url: str, path: Path, limit: int, retrieved_at: str
) -> MediaRecord:
    """Fetch the film that a playlist names, and put it at `path` as an MP4, whole and checked.

    Args:
        download: Asks through the crawl's downloader.
        playlist: The playlist.
        url: Where it came from, after redirects.
        path: Where the film goes.
        limit: Bytes of all pieces together.
        retrieved_at: Now, for the record.

    Raises:
        ItemRejectedError: The playlist or its pieces give no film; says why.
        RefusedError: A playlist or a piece could not be had.
        StorageError: The machine's storage failed.
    """
    found = read_playlist(playlist, url)
    pieces, sound = (found, None) if isinstance(found, Pieces) else await _best(download, found, limit)
    names = "pieces", "sound", "piece"
    all_pieces, all_sound, piece = (path.with_name(f"{TEMPORARY_PREFIX}{path.name}.{name}") for name in names)
    try:
        with atomic_path(path) as film:
            await _fetch_pieces(download, pieces, all_pieces, piece, limit, "film")
            if sound is not None:
                left = limit - all_pieces.stat().st_size
                await _fetch_pieces(download, sound, all_sound, piece, left, "film's sound")
            await asyncio.to_thread(remux, all_pieces, film, None if sound is None else all_sound)
            probe(film, MP4)
            record = MediaRecord(
                sha256=sha256_file(film),
                num_bytes=film.stat().st_size,
                media_type=MP4.name,
                extension=MP4.extension,
                retrieved_at=retrieved_at,
            )
            check_size(record.num_bytes, limit)
        return record
    finally:
        for scratch in (all_pieces, all_sound, piece):
            scratch.unlink(missing_ok=True)


async def _best(download: Download, variants: tuple[Variant, ...], limit: int) -> tuple[Pieces, Pieces | None]:
    """The largest variant whose size, by its bit rate and length, is within the limit, else the last; and its sound."""
    chosen = pieces = None
    for variant in variants[:MAX_VARIANTS]:
        chosen, pieces = variant, await _pieces_at(download, variant.url, "a playlist of the film")
        if variant.bit_rate * pieces.duration_s / 8 <= limit:
            break
    assert chosen is not None, "a master names a variant"
    assert pieces is not None
    if chosen.sound is None:
        return pieces, None
    return pieces, await _pieces_at(download, chosen.sound, "a playlist of the film's sound")


async def _pieces_at(download: Download, url: str, what: str) -> Pieces:
    answer = await _get(download, url, f"{what}, {url}", {KIND: PIECE, "download_maxsize": MAX_PLAYLIST_BYTES})
    found = read_playlist(answer.body, answer.url)
    if not isinstance(found, Pieces):
        raise fault("its variants name variants again")
    return found


async def _fetch_pieces(
    download: Download, pieces: Pieces, all_pieces: Path, piece: Path, limit: int, what: str
) -> None:
    """Fetch all pieces into one file, which is what they are: their containers are made to be put end to end."""
    num_bytes = 0
    with all_pieces.open("wb") as whole:
        files = pieces.files()
        for number, part in enumerate(files, start=1):
            meta = {KIND: PIECE, SAVE_AS: str(piece), PIECE_LIMIT: limit - num_bytes, PART: part}
            await _get(download, part.url, f"piece {number} of {len(files)} of the {what}, {part.url}", meta)
            num_bytes += piece.stat().st_size
            with piece.open("rb") as file:
                shutil.copyfileobj(file, whole)


async def _get(download: Download, url: str, what: str, meta: dict[str, Any]) -> Response:
    """One answer. Raises `RefusedError`, which says what could not be had, and `StorageError`."""
    part = meta.get(PART, Part(url))
    last = "" if part.length is None else f"bytes={part.begin}-{part.begin + part.length - 1}"
    request = Request(
        url,
        headers={"Accept-Encoding": "identity", **({"Range": last} if last else {})},
        callback=NO_CALLBACK,
        dont_filter=True,
        priority=MEDIA_PRIORITY,
        meta={**meta, URL: url},
    )
    try:
        answer = await download(request)
        if answer.status not in GOOD and not (last and answer.status == PARTIAL):
            raise RefusedError(Refusal("http_error", f"answered with status {answer.status}", failed=True))
    except Exception as problem:
        raise_storage_fault(problem, Path(meta.get(SAVE_AS, ".")).parent)
        refusal = refusal_of(problem, request)
        raise RefusedError(Refusal(refusal.reason, f"{what}: {refusal.message}", refusal.failed)) from problem
    return answer
