"""Films with cover art, as shops and phones store them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from pvtt.media.arrays import Frame


def write_with_cover(path: Path, frames: list[Frame]) -> Path:
    """An MP4 of 20 frames a second whose first video stream is a cover of 32×32 white pixels."""
    with av.open(str(path), "w") as container:
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
        cover.disposition = Disposition.attached_pic
        film = container.add_stream("libx264", rate=20)
        film.height, film.width = frames[0].shape[:2]
        film.pix_fmt = "yuv420p"
        film.codec_context.options = {"crf": "10", "preset": "superfast"}
        white = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 255, np.uint8), format="rgb24")
        container.mux(cover.encode(white))
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 20)
            container.mux(film.encode(picture))
        container.mux(film.encode(None))
    path.write_bytes(_cover_first(path.read_bytes()))
    return path


def _cover_first(content: bytes) -> bytes:
    """An MP4 whose index names the cover (`udta`) before the tracks: streams are numbered in this order."""
    parts = []
    for kind, box in _boxes(content):
        if kind == b"moov":
            inner = sorted(_boxes(box[8:]), key=lambda one: one[0] != b"udta")
            box = box[:8] + b"".join(part for _, part in inner)
        parts.append(box)
    return b"".join(parts)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place < len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        yield kind, content[place : place + size]
        place += size
