"""A film's pieces, put end to end, into one MP4: packets are moved, nothing is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pvtt.crawl.playlist import fault
from pvtt.files.storage import raise_storage_fault


def remux(source: Path, format: str, target: Path) -> None:
    """Write the moving picture of a file as an MP4, which starts at 0. Sound is left out.

    Args:
        source: The pieces, in one file.
        format: FFmpeg's demuxer: it is named, so that none is chosen that opens other files.
        target: The MP4.

    Raises:
        ItemRejectedError: `not_a_video`: it cannot be read, has no moving picture, or one that an MP4 cannot hold.
        StorageError: The machine's storage failed.
    """
    import av

    from pvtt.media.video import moving_picture

    try:
        with (
            source.open("rb") as file,
            av.open(file, "r", format=format) as pieces,
            av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as film,
        ):
            picture = moving_picture(pieces)
            if picture is None or picture.codec_context is None:
                raise fault("its pieces hold no moving picture")
            _move(pieces, picture, film)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise_storage_fault(error, target)
        raise fault(f"its pieces cannot be put together: {getattr(error, 'strerror', None) or error}") from None


def _move(pieces: Any, picture: Any, film: Any) -> None:
    moved = film.add_stream_from_template(picture)
    start: int | None = None
    for packet in pieces.demux(picture):
        if packet.dts is None or packet.pts is None or packet.is_corrupt:
            continue
        if start is None:
            if not packet.is_keyframe:
                continue  # nothing to start from
            start = packet.pts
        packet.pts -= start
        packet.dts -= start
        packet.stream = moved
        film.mux(packet)
    if start is None:
        raise fault("its pieces hold no picture to start from")
