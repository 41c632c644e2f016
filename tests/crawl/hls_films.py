"""A film as HLS: cut into pieces by FFmpeg, without a change of its pictures."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

NUM_FRAMES = 48
SOUND_RATE = 16000


def film_bytes(seed: int, width: int = 64, height: int = 48, sound: bool = False, b_frames: int = 2) -> bytes:
    """An MP4 of 6 s with B-frames, and a key frame each second; with `sound` also a tone."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        with av.open(file.name, "w", options={"movflags": "faststart"}) as container:
            options = {"g": "8", "bf": str(b_frames), "sc_threshold": "0", "threads": "1"}
            stream = container.add_stream("libx264", rate=8, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            heard = container.add_stream("aac", rate=SOUND_RATE) if sound else None
            noise = np.random.default_rng(seed).integers(0, 255, (height + NUM_FRAMES, width, 3), dtype=np.uint8)
            for number in range(NUM_FRAMES):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noise[number : number + height])))
            container.mux(stream.encode())
            if heard is not None:
                tone = np.sin(np.arange(6 * SOUND_RATE) * 0.2 * seed).astype(np.float32)[None] / 2
                for begin in range(0, tone.shape[1], 1024):
                    block = av.AudioFrame.from_ndarray(tone[:, begin : begin + 1024], format="fltp", layout="mono")
                    block.sample_rate, block.pts, block.time_base = SOUND_RATE, begin, Fraction(1, SOUND_RATE)
                    container.mux(heard.encode(block))
                container.mux(heard.encode())
        return Path(file.name).read_bytes()


def cut_into_pieces(
    film: bytes, fragmented: bool = False, kinds: tuple[str, ...] = ("video",), single_file: bool = False
) -> dict[str, bytes]:
    """A film's playlist, `film.m3u8`, and pieces of a second, by name: MPEG-TS, or fragmented MP4.

    Args:
        film: A whole one.
        fragmented: Into fragmented MP4.
        kinds: Which of `video` and `audio` the pieces hold.
        single_file: The pieces are byte ranges of one file.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        source.write_bytes(film)
        target = Path(folder) / "hls"
        target.mkdir()
        suffix = "m4s" if fragmented else "ts"
        options = {
            "hls_time": "1",
            "hls_playlist_type": "vod",
            "hls_segment_type": "fmp4" if fragmented else "mpegts",
            "hls_segment_filename": str(target / (f"all.{suffix}" if single_file else f"piece%d.{suffix}")),
            **({"hls_flags": "single_file"} if single_file else {}),
        }
        with (
            av.open(str(source)) as read,
            av.open(str(target / "film.m3u8"), "w", format="hls", options=options) as cut,
        ):
            streams = {one: cut.add_stream_from_template(one) for one in read.streams if one.type in kinds}
            for packet in read.demux(*streams):
                if packet.dts is not None:
                    packet.stream = streams[packet.stream]
                    cut.mux(packet)
        return {path.name: path.read_bytes() for path in target.iterdir()}


def sound_of(film: Path) -> npt.NDArray[np.float32]:
    """A film's sound, as far as it lasts; empty where there is none."""
    with av.open(str(film)) as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32)
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def pictures(film: Path) -> tuple[npt.NDArray[np.uint8], list[float]]:
    """All frames of a film, and when each is shown."""
    with av.open(str(film)) as container:
        frames = list(container.decode(video=0))
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [
        float(frame.time or 0) for frame in frames
    ]
