"""What a video file's own structure says, read without FFmpeg: which boxes it has, and whether it is all there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

EBML_HEADER = b"\x1a\x45\xdf\xa3"
MATROSKA_SEGMENT = b"\x18\x53\x80\x67"


@dataclass(frozen=True)
class Box:
    """A top-level box of an ISO media file (ISO/IEC 14496-12, 4.2); `end` may be behind the file's."""

    name: str
    start: int
    end: int


def iter_boxes(path: Path) -> Iterator[Box]:
    """Yield the top-level boxes of an ISO media file, in order, up to the first that is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = 0
        while start + 8 <= size:
            file.seek(start)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1 and len(header) == 16:
                length = int.from_bytes(header[8:], "big")
            elif length == 0:  # to the end of the file
                length = size - start
            if length < 8:
                return
            yield Box(header[4:8].decode("latin-1"), start, start + length)
            start += length


def is_whole_matroska(path: Path) -> bool:
    """Whether a Matroska or WebM file has all the bytes that its segment announces; false where it announces none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != EBML_HEADER:
            return False
        length = _read_size(file)
        if length is None:
            return False
        file.seek(length, 1)
        if file.read(4) != MATROSKA_SEGMENT:
            return False
        length = _read_size(file)
        return length is not None and file.tell() + length <= size


def _read_size(file: BinaryIO) -> int | None:
    """An EBML element's length (RFC 8794, 6); None where it is unknown or cut off."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    num_more = 8 - first[0].bit_length()
    more = file.read(num_more)
    mask = (1 << (7 * (num_more + 1))) - 1
    value = int.from_bytes(first + more, "big") & mask
    return None if len(more) < num_more or value == mask else value
