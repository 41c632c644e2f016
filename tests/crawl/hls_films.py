"""A film as HLS: cut into pieces by FFmpeg, without a change of its pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

NUM_FRAMES = 48


def film_bytes(seed: int, width: int = 64, height: int = 48) -> bytes:
    """An MP4 of 6 s with B-frames, and a key frame each second."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        with av.open(file.name, "w", options={"movflags": "faststart"}) as container:
            options = {"g": "8", "bf": "2", "sc_threshold": "0", "threads": "1"}
            stream = container.add_stream("libx264", rate=8, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            noise = np.random.default_rng(seed).integers(0, 255, (height + NUM_FRAMES, width, 3), dtype=np.uint8)
            for number in range(NUM_FRAMES):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noise[number : number + height])))
            container.mux(stream.encode())
        return Path(file.name).read_bytes()


def cut_into_pieces(film: bytes, fragmented: bool = False) -> dict[str, bytes]:
    """A film's playlist, `film.m3u8`, and pieces of a second, by name: MPEG-TS, or fragmented MP4."""
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
            "hls_segment_filename": str(target / f"piece%d.{suffix}"),
        }
        with (
            av.open(str(source)) as read,
            av.open(str(target / "film.m3u8"), "w", format="hls", options=options) as cut,
        ):
            stream = cut.add_stream_from_template(read.streams.video[0])
            for packet in read.demux(read.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    cut.mux(packet)
        return {path.name: path.read_bytes() for path in target.iterdir()}


def pictures(film: Path) -> tuple[npt.NDArray[np.uint8], list[float]]:
    """All frames of a film, and when each is shown."""
    with av.open(str(film)) as container:
        frames = list(container.decode(video=0))
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [
        float(frame.time or 0) for frame in frames
    ]
