"""A film's pieces, put end to end, into one MP4 with its sound: packets are moved, nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any

from pvtt.crawl.playlist import fault
from pvtt.files.storage import raise_storage_fault

SOUND_IN_MP4 = {"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"}
_TS, _MP4, _AAC = "mpegts", "mov", "aac"  # FFmpeg's demuxers


def remux(source: Path, target: Path, sound: Path | None = None) -> None:
    """Write the moving picture of a file as an MP4, which starts at 0, and the sound that goes with it.

    Sound that an MP4 cannot hold is left out.

    Args:
        source: The pieces, in one file.
        target: The MP4.
        sound: The pieces of the sound, where they are not among those of the picture.

    Raises:
        ItemRejectedError: `not_a_video`: it cannot be read, has no moving picture, or one that an MP4 cannot hold.
        StorageError: The machine's storage failed.
    """
    import av

    from pvtt.media.video import moving_picture

    try:
        with ExitStack() as files:
            pieces, _ = _open(source, files)
            picture = moving_picture(pieces)
            if picture is None or picture.codec_context is None:
                raise fault("its pieces hold no moving picture")
            other, format = (pieces, "") if sound is None else _open(sound, files)
            if sound is not None and not other.streams.audio:
                raise fault("its sound's pieces hold no sound")
            heard = next((one for one in other.streams.audio if one.codec_context.name in SOUND_IN_MP4), None)
            film = files.enter_context(av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}))
            if heard is None:
                packets = pieces.demux(picture)
            elif sound is None:
                packets = pieces.demux(picture, heard)
            else:
                packets = merge(_timed(pieces.demux(picture)), _timed(other.demux(heard)), key=_time)
            _move(packets, picture, heard, film, sound_starts_at_0=format == _AAC)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise_storage_fault(error, target)
        raise fault(f"its pieces cannot be put together: {getattr(error, 'strerror', None) or error}") from None


def _open(path: Path, files: ExitStack) -> tuple[Any, str]:
    """A container and its demuxer, which is named, so that none is chosen that opens other files."""
    import av

    file = files.enter_context(path.open("rb"))
    head = file.read(8)
    file.seek(0)
    is_aac = head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xf0")
    format = _AAC if is_aac else _TS if head[:1] == b"G" else _MP4
    return files.enter_context(av.open(file, "r", format=format)), format


def _timed(packets: Iterator[Any]) -> Iterator[Any]:
    return (packet for packet in packets if packet.dts is not None)


def _time(packet: Any) -> Fraction:
    return Fraction(packet.dts) * Fraction(packet.time_base)


def _move(packets: Iterator[Any], picture: Any, heard: Any, film: Any, sound_starts_at_0: bool) -> None:
    """Move packets, earlier by the time of the first picture that others do not need: sound before it is left out."""
    moved = film.add_stream_from_template(picture)
    sound = None if heard is None else film.add_stream_from_template(heard)
    start: int | None = None
    waiting: list[Any] = []  # sound before the first picture's packet, which may be of a later time
    for packet in packets:
        if packet.dts is None or packet.pts is None or packet.is_corrupt:
            continue
        if packet.stream.type == "audio":
            waiting.append(packet)
        elif start is None:
            if not packet.is_keyframe:
                continue  # nothing to start from
            start = packet.pts
        if start is None:
            continue
        for one in waiting:
            origin = Fraction(0) if sound_starts_at_0 else start * Fraction(picture.time_base)
            _mux(one, sound, round(origin / Fraction(heard.time_base)), film)
        if packet.stream.type != "audio":
            _mux(packet, moved, start, film)
        waiting = []
    if start is None:
        raise fault("its pieces hold no picture to start from")


def _mux(packet: Any, stream: Any, start: int, film: Any) -> None:
    if packet.stream.type == "audio" and packet.pts < start:
        return
    packet.pts -= start
    packet.dts -= start
    packet.stream = stream
    film.mux(packet)
