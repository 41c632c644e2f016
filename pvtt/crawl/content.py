"""What a media file is, decided on its bytes: never on a header, a name or a page's word."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pvtt.crawl.drafts import MediaKind
from pvtt.crawl.playlist import MAX_PLAYLIST_BYTES, is_playlist
from pvtt.errors import first_line
from pvtt.files.storage import raise_storage_fault
from pvtt.items.runner import ItemRejectedError
from pvtt.params.crawl import CrawlParams

HEAD_BYTES = 512  # enough for every signature below, and for naming what came instead
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class MediaType:
    """A type that the pipeline can read."""

    name: str
    kind: MediaKind
    extension: str
    format: str  # FFmpeg's demuxer, or Pillow's format


MP4 = MediaType("video/mp4", "video", ".mp4", "mov")
QUICKTIME = MediaType("video/quicktime", "video", ".mov", "mov")
WEBM = MediaType("video/webm", "video", ".webm", "matroska")
JPEG = MediaType("image/jpeg", "photo", ".jpg", "JPEG")
PNG = MediaType("image/png", "photo", ".png", "PNG")
WEBP = MediaType("image/webp", "photo", ".webp", "WEBP")

# Names pieces of a film, which are fetched one by one where that is possible (`pvtt.crawl.hls`).
HLS = MediaType("application/vnd.apple.mpegurl", "video", ".m3u8", "hls")

# ISO base media files that hold stills or sound only.
_NOT_VIDEO_BRANDS = (
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"mif2", b"avif", b"M4A ", b"M4B ", b"crx "),
)
# Animated AVIF and HEIF: pictures of a page, of odd speeds and often transparent; one of these is among its brands.
_PICTURE_SEQUENCE_BRANDS = (b"avis", b"msf1")
_OLD_QUICKTIME_BOXES = (b"moov", b"wide", b"free", b"skip", b"pnot")  # those that may come first, below 16 MB


def sniff(head: bytes) -> MediaType | None:
    """The type of a file from its first bytes; None for everything that the pipeline does not read."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _NOT_VIDEO_BRANDS or any(one in _PICTURE_SEQUENCE_BRANDS for one in _brands(head)):
            return None
        return QUICKTIME if brand == b"qt  " else MP4
    if head[4:8] == b"mdat" or (head[:1] == b"\x00" and head[4:8] in _OLD_QUICKTIME_BOXES):
        return QUICKTIME
    if head.startswith(b"\x1aE\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else None
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    return None


def _brands(head: bytes) -> list[bytes]:
    """An ISO media file's brands: its own, and those that it is compatible with, as far as `head` has them."""
    box = head[: int.from_bytes(head[:4], "big")]
    return [box[8:12], *(box[place : place + 4] for place in range(16, len(box), 4))]


def _describe(head: bytes) -> str:
    """What the bytes look like, for a person."""
    known = sniff(head)
    if known is not None:
        return known.name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "empty"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    if text.startswith(b"#extm3u"):
        return "an HLS playlist, which only names pieces of a video: the shop must offer a whole file"
    if text.startswith(b"<"):
        return "XML or HTML"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[4:8] == b"ftyp":
        return f"an ISO media file of brand {head[8:12].decode('ascii', 'replace').strip()}"
    if text.startswith((b"{", b"[")):
        return "JSON"
    return "of an unknown type"


def max_bytes(kind: MediaKind, params: CrawlParams) -> int:
    """The size limit of a kind of media."""
    return int((params.max_video_mb if kind == "video" else params.max_photo_mb) * MEGABYTE)


class MediaReceiver:
    """Takes a file piece by piece: counts, hashes, and refuses as soon as the bytes allow it.

    Args:
        kind: What the file is expected to be.
        limit: Size limit in bytes.
        file: Where the bytes go; None only checks and hashes them.
        playlists: Take HLS playlists for videos too.
    """

    def __init__(self, kind: MediaKind, limit: int, file: BinaryIO | None, playlists: bool = False) -> None:
        self.num_bytes = 0
        self._playlists = playlists and kind == "video"
        self._kind = kind
        self._limit = limit
        self._file = file
        self._digest = hashlib.sha256()
        self._head = b""
        self._type: MediaType | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises `ItemRejectedError`: `too_large`, `not_a_video` or `not_an_image`."""
        self.num_bytes += len(data)
        check_size(self.num_bytes, self._limit)
        if self._type is None:
            self._head += data[:HEAD_BYTES]
            if len(self._head) >= HEAD_BYTES:
                self._type = self._sniffed()
                if self._type is HLS:
                    self._limit = min(self._limit, MAX_PLAYLIST_BYTES)
        self._digest.update(data)
        if self._file is not None:
            self._file.write(data)

    def finish(self) -> tuple[str, MediaType]:
        """The file's SHA-256 and type, once all bytes are in. Raises as `write`."""
        return self._digest.hexdigest(), self._type or self._sniffed()

    def _sniffed(self) -> MediaType:
        if self._playlists and is_playlist(self._head):
            return HLS
        found = sniff(self._head)
        if found is not None and found.kind == self._kind:
            return found
        reason, wanted = ("not_a_video", "an MP4, MOV or WebM video")
        if self._kind == "photo":
            reason, wanted = ("not_an_image", "a JPEG, PNG or WebP image")
        raise ItemRejectedError(reason, f"its bytes are not {wanted} but {_describe(self._head)}")


def check_size(num_bytes: int, limit: int) -> None:
    """Raise `ItemRejectedError` `too_large` above the limit."""
    if num_bytes > limit:
        raise ItemRejectedError("too_large", f"is larger than {limit / MEGABYTE:g} MB")


def probe(path: Path, media_type: MediaType) -> None:
    """Open the container and read its header; decodes nothing.

    Raises:
        ItemRejectedError: `truncated`, or `not_a_video` for a container without a video stream.
    """
    if media_type.kind == "photo":
        _probe_photo(path, media_type)
        return
    if media_type.format == "mov":
        _check_boxes(path)
    import av

    from pvtt.media.video import moving_picture

    try:
        # The demuxer is named, so that FFmpeg never guesses a playlist format that opens other files.
        with path.open("rb") as file, av.open(file, "r", format=media_type.format) as container:
            has_video = moving_picture(container) is not None
    except (av.error.FFmpegError, OSError) as error:
        raise_storage_fault(error, path)
        raise ItemRejectedError("truncated", f"its header cannot be read: {error.strerror}") from None
    if not has_video:
        raise ItemRejectedError("not_a_video", "it holds no video stream, or only a cover")


def _probe_photo(path: Path, media_type: MediaType) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=[media_type.format]):
            pass
    except Image.DecompressionBombError:
        raise ItemRejectedError("too_large", "its header announces more pixels than can be decoded safely") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise_storage_fault(error, path)
        raise ItemRejectedError("truncated", f"its header cannot be read: {first_line(error)}") from None


def _check_boxes(path: Path) -> None:
    """Look at the top-level boxes of an ISO media file: all must end inside it, one is `moov`."""
    from pvtt.media.containers import iter_boxes

    size = path.stat().st_size
    names = set()
    for box in iter_boxes(path):
        if box.end > size:
            raise ItemRejectedError(
                "truncated", f"its {box.name!r} box ends at byte {box.end}, the file at byte {size}"
            )
        names.add(box.name)
    if "moov" not in names:
        raise ItemRejectedError("truncated", "it has no 'moov' box, which says how to decode it")
