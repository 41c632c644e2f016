"""When a film's frames are on screen, and whether all of them are there."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pvtt.media.video import VideoError, VideoReader, read_video
from tests.conftest import require_program
from tests.media.films import chart, rgb_picture, write_pictures

PICTURE = chart()


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([require_program("ffmpeg"), "-v", "error", "-y", *arguments], check=True)


def span(path: Path) -> tuple[int, float, float]:
    """How many frames, when the first comes on, when the last leaves."""
    with VideoReader(path) as reader:
        times = [time for time, _ in reader]
        return len(times), float(times[0]), float(reader.end)


def write_held(path: Path, hold_s: int, codec: str = "libx264") -> Path:
    """24 frames in a second, the last of which is then held."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 600)
        stream.codec_context.max_b_frames = 0
        packets = []
        for number in range(24):
            picture = rgb_picture(np.roll(PICTURE, 5 * number, axis=1), "yuv420p")
            picture.pts, picture.time_base = number * 25, Fraction(1, 600)
            packets += stream.encode(picture)
        packets += stream.encode(None)
        for packet in packets:
            packet.duration = hold_s * 600 + 25 if packet is packets[-1] else 25
            container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_last_frame_that_is_held_is_not_a_film_that_was_cut_off(tmp_path: Path, suffix: str) -> None:
    path = write_held(tmp_path / f"film{suffix}", 3, "libvpx-vp9" if suffix == ".webm" else "libx264")
    num_frames, start, end = span(path)
    assert (num_frames, start) == (24, 0)
    assert end == pytest.approx(4, abs=0.05)


def test_a_held_matroska_film_that_was_cut_off_is_still_told(tmp_path: Path) -> None:
    data = write_held(tmp_path / "film.mkv", 3).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(VideoError) as caught:
        read_video(tmp_path / "cut.mkv")
    assert caught.value.reason in ("truncated", "undecodable")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
def test_sound_that_is_longer_than_the_film_cuts_nothing_off(tmp_path: Path, suffix: str) -> None:
    codec = ("-c:v", "libvpx-vp9", "-c:a", "libopus") if suffix == ".webm" else ("-c:v", "libx264")
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=128x96:r=12:d=2", "-f", "lavfi", "-i", "sine=duration=5"),
        *(*codec, "-pix_fmt", "yuv420p", tmp_path / f"film{suffix}"),
    )
    num_frames, start, end = span(tmp_path / f"film{suffix}")
    assert (num_frames, end - start) == (24, pytest.approx(2, abs=0.05))


@pytest.mark.parametrize("pixel_rate", ["vfr", "bframes"])
def test_times_come_from_the_container(tmp_path: Path, pixel_rate: str) -> None:
    gaps = np.random.default_rng(0).integers(10, 200, 30) if pixel_rate == "vfr" else np.full(30, 50)
    times = [Fraction(int(gap), 600) for gap in np.cumsum(gaps)]
    options = {"crf": "20", "bf": "3", "b-adapt": "0"}
    path = write_pictures(tmp_path / "film.mp4", [rgb_picture(PICTURE, "yuv420p")] * 30, times=times, options=options)
    with VideoReader(path) as reader:
        read = [time for time, _ in reader]
    assert [time - read[0] for time in read] == [time - times[0] for time in times]


def test_an_edit_list_shows_only_what_it_names(tmp_path: Path) -> None:
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=128x96:r=12:d=5", "-c:v", "libx264", "-g", "60", "-bf", "2"),
        *("-pix_fmt", "yuv420p", tmp_path / "whole.mp4"),
    )
    ffmpeg("-ss", "2.25", "-i", tmp_path / "whole.mp4", "-c", "copy", tmp_path / "part.mp4")
    num_frames, start, end = span(tmp_path / "part.mp4")
    assert (num_frames, start, end) == (33, pytest.approx(0, abs=0.09), pytest.approx(2.75, abs=0.09))
    np.testing.assert_allclose(
        read_video(tmp_path / "part.mp4")[0].astype(int), read_video(tmp_path / "whole.mp4")[27].astype(int), atol=2
    )


def test_a_film_without_a_length_in_its_header_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "live.webm"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=128x96:r=12:d=2", "-c:v", "libvpx", "-f", "webm", "-live", "1", path),
    )
    with VideoReader(path) as reader:
        assert reader.duration_s is None
    assert span(path) == (24, 0, pytest.approx(2, abs=0.01))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_a_damaged_middle_is_told_at_the_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    ffmpeg(
        *(
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x240:r=12:d=4",
            "-c:v",
            "libx264",
            "-g",
            "12",
            "-pix_fmt",
            "yuv420p",
            path,
        ),
    )
    data = bytearray(path.read_bytes())
    middle, length = len(data) // 2, len(data) // 6
    data[middle : middle + length] = np.random.default_rng(0).bytes(length)
    path.write_bytes(data)
    with pytest.raises(VideoError) as caught:
        read_video(path)
    assert caught.value.reason in ("undecodable", "truncated")
