"""Video in and out, on real files made by the tests."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from pvtt.media.video import (
    MissingCodecError,
    VideoError,
    VideoReader,
    VideoWriter,
    iter_frames,
    probe,
    read_frames,
    read_video,
    to_rgb,
    write_video,
)
from tests.conftest import require_program
from tests.media.covers import write_with_cover


def gradient_video(num_frames: int = 12, height: int = 96, width: int = 128) -> npt.NDArray[np.uint8]:
    """Smooth colours that move a little; (F, H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    frames = [np.stack([(x * 2 + t) % 256, y * 2, np.full_like(x, 60 + 10 * t)], axis=-1) for t in range(num_frames)]
    return np.stack(frames).clip(0, 255).astype(np.uint8)


def ffmpeg(*arguments: str) -> None:
    subprocess.run([require_program("ffmpeg"), "-v", "error", "-y", *arguments], check=True)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, gradient_video(36), fps=12)
    return path


def test_what_is_written_is_read_back_with_its_colours(tmp_path: Path) -> None:
    frames = np.empty((4, 96, 128, 3), np.uint8)
    frames[:, :, :64], frames[:, :, 64:] = (200, 40, 30), (20, 60, 210)
    write_video(tmp_path / "a.mp4", frames, fps=24)
    read = read_video(tmp_path / "a.mp4").astype(int)
    assert read.shape == frames.shape
    assert abs(read[:, 48, 32] - frames[:, 48, 32]).max() <= 2
    assert abs(read[:, 48, 96] - frames[:, 48, 96]).max() <= 2


def test_equal_frames_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, gradient_video(), fps=24)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_probe_tells_size_rate_length_and_codec(clip: Path) -> None:
    info = probe(clip)
    assert (info.width, info.height, info.rate, info.codec) == (128, 96, Fraction(12), "h264")
    assert info.duration_s == pytest.approx(3.0)


def test_times_are_exact(clip: Path) -> None:
    with VideoReader(clip) as reader:
        assert [time for time, _ in reader] == [Fraction(k, 12) for k in range(36)]


def test_read_sparsely_it_leaves_frames_out_and_keeps_the_others_times(clip: Path) -> None:
    whole = read_video(clip)
    with VideoReader(clip, sparse=True) as reader:
        found = {round(time * 12): to_rgb(frame) for time, frame in reader}
    assert 12 <= len(found) < 30
    assert max(after - before for before, after in pairwise(sorted(found))) <= 4
    assert all(np.array_equal(frame, whole[place]) for place, frame in found.items())


def test_read_frames_picks_in_any_order_with_repeats(clip: Path) -> None:
    whole = read_video(clip)
    np.testing.assert_array_equal(read_frames(clip, [7, 0, 7]), whole[[7, 0, 7]])
    with pytest.raises(IndexError, match="no frame 36"):
        read_frames(clip, [36])


def test_frames_are_read_one_at_a_time(clip: Path) -> None:
    frames = iter_frames(clip)
    assert next(frames).shape == (96, 128, 3)
    frames.close()  # type: ignore[attr-defined]


def test_cover_art_is_not_taken_for_the_film(tmp_path: Path) -> None:
    path = write_with_cover(tmp_path / "film.mp4", list(gradient_video()))
    with av.open(str(path)) as container:
        assert [stream.width for stream in container.streams.video] == [32, 128]
    assert read_video(path).shape == (12, 96, 128, 3)
    assert probe(path).codec == "h264"


def test_cover_art_alone_is_no_video(tmp_path: Path) -> None:
    path = write_with_cover(tmp_path / "film.mp4", list(gradient_video()))
    ffmpeg("-i", str(path), "-map", "0:0", "-c", "copy", "-disposition:v", "attached_pic", str(tmp_path / "cover.mp4"))
    with pytest.raises(VideoError) as caught:
        probe(tmp_path / "cover.mp4")
    assert caught.value.reason == "not_a_video"


def test_a_rotated_video_is_turned_upright(tmp_path: Path, clip: Path) -> None:
    lying = read_video(clip)[0]
    one, minus_one, zero = (value.to_bytes(4, "big") for value in (0x0001_0000, 0xFFFF_0000, 0))
    identity = one + zero * 3 + one  # the first two columns of ISO 14496-12's matrix in the track header
    head, track = clip.read_bytes().split(b"tkhd", 1)
    quarter_turn = zero + one + zero + minus_one + zero  # 90 degrees clockwise, as phones write it
    (tmp_path / "turned.mp4").write_bytes(head + b"tkhd" + track.replace(identity, quarter_turn, 1))
    assert (probe(tmp_path / "turned.mp4").width, probe(tmp_path / "turned.mp4").height) == (96, 128)
    np.testing.assert_array_equal(read_video(tmp_path / "turned.mp4")[0], np.rot90(lying, -1))


def test_wide_pixels_count_in_the_displayed_size(tmp_path: Path, clip: Path) -> None:
    ffmpeg("-i", str(clip), "-vf", "setsar=2/1", str(tmp_path / "wide.mp4"))
    assert (probe(tmp_path / "wide.mp4").width, probe(tmp_path / "wide.mp4").height) == (256, 96)


def test_an_unlabelled_hd_video_is_read_as_bt709(tmp_path: Path) -> None:
    ffmpeg(
        *("-f", "lavfi", "-i", "color=c=0xc82828:s=1280x720:d=0.2,format=rgb24"),
        *("-vf", "scale=out_color_matrix=bt709,format=yuv420p", "-bsf:v", "h264_metadata=matrix_coefficients=2"),
        str(tmp_path / "hd.mp4"),
    )
    assert abs(read_video(tmp_path / "hd.mp4")[0, 360, 640].astype(int) - (200, 40, 40)).max() <= 3


@pytest.fixture
def broken(tmp_path: Path, clip: Path) -> dict[str, Path]:
    """Files that are no whole videos, by what is wrong with them."""
    data = clip.read_bytes()
    media = data.find(b"mdat") + 600
    damaged = bytearray(data)
    damaged[media : media + len(data) // 3] = np.random.default_rng(0).bytes(len(data) // 3)
    ffmpeg("-i", str(clip), "-c", "copy", str(tmp_path / "index_last.mp4"))  # no faststart
    index_last = (tmp_path / "index_last.mp4").read_bytes()
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", str(tmp_path / "sound.mp4"))
    contents = {
        "html": b"<!DOCTYPE html><html><body>404</body></html>",
        "empty": b"",
        "index_missing": index_last[: len(index_last) // 2],
        "cut_off": data[: len(data) // 2],
        "damaged": bytes(damaged),
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.mp4").write_bytes(content)
    return {name: tmp_path / f"{name}.mp4" for name in [*contents, "sound"]}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("html", "not_a_video"),
        ("empty", "not_a_video"),
        ("sound", "not_a_video"),
        ("index_missing", "truncated"),
        ("cut_off", "truncated"),
        ("damaged", "undecodable"),
    ],
)
def test_a_broken_file_says_what_is_wrong_with_it(broken: dict[str, Path], name: str, reason: str) -> None:
    with pytest.raises(VideoError) as caught:
        read_video(broken[name])
    assert caught.value.reason == reason
    assert f"{name}.mp4" in caught.value.message


def test_a_cut_off_matroska_file_is_truncated(tmp_path: Path, clip: Path) -> None:
    ffmpeg("-i", str(clip), "-c", "copy", str(tmp_path / "whole.mkv"))
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "half.mkv").write_bytes(data[: len(data) // 2])
    assert len(read_video(tmp_path / "whole.mkv")) == 36
    with pytest.raises(VideoError) as caught:
        read_video(tmp_path / "half.mkv")
    assert caught.value.reason == "truncated"


def test_the_good_frames_of_a_cut_off_video_come_before_the_error(broken: dict[str, Path]) -> None:
    frames = iter_frames(broken["cut_off"])
    for _ in range(6):
        assert next(frames).shape == (96, 128, 3)
    with pytest.raises(VideoError):
        list(frames)


def test_a_missing_decoder_is_an_error_with_a_next_step(tmp_path: Path, clip: Path) -> None:
    unknown = tmp_path / "unknown.mp4"
    unknown.write_bytes(clip.read_bytes().replace(b"avc1", b"zzz1"))  # a sample format that no decoder knows
    with pytest.raises(MissingCodecError) as caught:
        read_video(unknown)
    assert "unknown.mp4" in caught.value.message
    assert "ffmpeg -i" in str(caught.value.hint)


def test_a_missing_encoder_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", fps=12)
    writer._codec = "libx266"
    with pytest.raises(MissingCodecError, match="libx266"), writer:
        pass


def test_errors_cross_a_process_border() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(VideoError("a.mp4 is cut off", "fetch it again", reason="truncated")))
    assert (error.reason, error.message, error.hint) == ("truncated", "a.mp4 is cut off", "fetch it again")
