"""A film's frames are read with the colours and the way up that it was made with, or it is refused with a reason."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from pvtt.media.arrays import Frame
from pvtt.media.video import VideoError, VideoReader, probe, read_video, to_rgb
from tests.media.films import (
    PATCHES,
    WEIGHTS,
    chart,
    rgb_picture,
    with_matrix,
    write_pictures,
    yuv_picture,
)


def patches(frame: Frame) -> Frame:
    """The colour at the middle of each patch of a chart, (2, 4, 3)."""
    height, width = frame.shape[:2]
    rows, columns = (np.arange(2) * 2 + 1) * height // 4, (np.arange(4) * 2 + 1) * width // 8
    return frame[rows[:, None], columns[None, :]]


def error_of(path: Path) -> int:
    """The greatest difference of a patch's channel from what was drawn, of 255, over all frames."""
    return max(int(abs(patches(frame).astype(int) - PATCHES).max()) for frame in read_video(path))


def reason_of(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        read_video(path)
    assert path.name in caught.value.message
    return caught.value.reason


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", sorted(WEIGHTS))
def test_every_matrix_and_range_gives_the_colours_that_were_drawn(
    tmp_path: Path, matrix: int, full: bool, bits: int
) -> None:
    pictures = [yuv_picture(chart(), matrix, full, bits) for _ in range(2)]
    path = tmp_path / "film.mp4"
    write_pictures(path, pictures, colorspace=matrix, color_range=2 if full else 1)
    assert error_of(path) <= 1


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix"),
    [
        ("libx264", "yuv420p", ".mp4"),
        ("libx264", "yuv422p", ".mp4"),
        ("libx265", "yuv420p10le", ".mkv"),
        ("libx264", "yuvj420p", ".mp4"),
        ("libvpx-vp9", "yuv420p", ".webm"),
        ("libsvtav1", "yuv420p10le", ".mp4"),
        ("mpeg4", "yuv420p", ".mp4"),
        ("mjpeg", "yuvj422p", ".mov"),
        ("prores_ks", "yuv422p10le", ".mov"),
        ("qtrle", "rgb24", ".mov"),
        ("ffv1", "bgr0", ".mkv"),
    ],
)
def test_every_codec_gives_the_colours_that_were_drawn(
    tmp_path: Path, codec: str, pixel_format: str, suffix: str
) -> None:
    path = tmp_path / f"film{suffix}"
    options = {"libx264": {"crf": "8"}, "libx265": {"crf": "6", "x265-params": "log-level=none"}}.get(codec, {})
    if codec in ("libvpx-vp9", "libsvtav1"):
        options = {"crf": "10", "cpu-used": "8"} if codec == "libvpx-vp9" else {"crf": "10", "preset": "10"}
    if codec in ("mpeg4", "mjpeg"):
        options = {"qmin": "1", "qscale": "1", "flags": "+qscale", "global_quality": "118"}
    pictures = [rgb_picture(chart(), pixel_format) for _ in range(4)]
    write_pictures(path, pictures, codec, options=options)
    assert error_of(path) <= 4  # of the codec's own loss
    assert read_video(path).shape == (4, 96, 128, 3)


@pytest.mark.parametrize(("width", "height"), [(127, 95), (129, 96), (128, 97)])
def test_odd_sizes_lose_no_edge(tmp_path: Path, width: int, height: int) -> None:
    path = write_pictures(tmp_path / "film.mp4", [yuv_picture(chart(width, height), 1, False)] * 1, colorspace=1)
    frame = read_video(path)[0]
    assert frame.shape == (height, width, 3)
    np.testing.assert_allclose(frame[-1, -1].astype(int), PATCHES[1, 3], atol=2)


def test_a_wide_gamut_is_brought_to_bt709(tmp_path: Path) -> None:
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087
    wide = (chart() / 255) ** 2.4 @ to_2020.T  # in light, as a screen of BT.1886 gives it
    stored = np.round(wide.clip(0, 1) ** (1 / 2.4) * 255).astype(np.uint8)
    path = tmp_path / "film.mp4"
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 14}
    write_pictures(path, [yuv_picture(stored, 9, False, 10)], **tags)
    assert abs(patches(stored).astype(int) - PATCHES).max() > 20  # as it is stored
    assert error_of(path) <= 3


def test_a_wide_gamuts_tables_are_made_once_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted() -> VideoReformatter:
        made.append(VideoReformatter())
        return made[-1]

    monkeypatch.setattr("av.video.reformatter.VideoReformatter", counted)
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 14}
    path = write_pictures(tmp_path / "film.mp4", [yuv_picture(chart(), 9, False, 10)] * 3, **tags)
    assert len(read_video(path)) == 3
    assert len(made) == 1  # they take a second and more


@pytest.mark.parametrize(("transfer", "reason"), [(16, "hdr"), (18, "hdr"), (8, "colours"), (9, "colours")])
def test_what_has_no_right_colours_in_bt709_is_refused(tmp_path: Path, transfer: int, reason: str) -> None:
    path = tmp_path / "film.mp4"
    picture = yuv_picture(chart(), 9, False, 10)
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": transfer}
    write_pictures(path, [picture], **tags)
    assert reason_of(path) == reason
    with pytest.raises(VideoError) as caught:
        probe(path)
    assert "ffmpeg" in str(caught.value.hint)
    with VideoReader(path) as reader:  # a film that keeps its own colours is read all the same
        assert len(list(reader)) == 1


def test_an_unknown_matrix_is_refused(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "film.mp4", [yuv_picture(chart(), 1, False)], colorspace=8)  # YCgCo
    assert reason_of(path) == "colours"


@pytest.mark.parametrize("see_through", [False, True])
def test_a_transparent_film_is_refused_and_an_opaque_one_with_alpha_read(tmp_path: Path, see_through: bool) -> None:
    rgba = np.dstack([chart(), np.full((96, 128), 255, np.uint8)])
    if see_through:
        rgba[40:60, 40:60, 3] = 0
    picture = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format="argb")
    path = write_pictures(tmp_path / "film.mov", [picture], "qtrle")
    if see_through:
        assert reason_of(path) == "transparent"
    else:
        assert error_of(path) == 0


ONE = 0x1_0000
TURNS = [
    ((0, ONE, -ONE, 0), lambda frame: np.rot90(frame, -1)),
    ((-ONE, 0, 0, -ONE), lambda frame: np.rot90(frame, 2)),
    ((0, -ONE, ONE, 0), lambda frame: np.rot90(frame, 1)),
    ((-ONE, 0, 0, ONE), lambda frame: frame[:, ::-1]),
    ((ONE, 0, 0, -ONE), lambda frame: frame[::-1]),
    ((0, ONE, ONE, 0), lambda frame: frame.transpose(1, 0, 2)),
    ((0, -ONE, -ONE, 0), lambda frame: frame[::-1, ::-1].transpose(1, 0, 2)),
    ((0, ONE - 40, 40 - ONE, 0), lambda frame: np.rot90(frame, -1)),  # rounded by whoever wrote it
]


@pytest.mark.parametrize("number", range(len(TURNS)))
@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(2)])
def test_turns_and_mirrors_are_applied(tmp_path: Path, number: int, aspect: Fraction) -> None:
    matrix, upright = TURNS[number]
    source = tmp_path / "stored.mp4"
    write_pictures(source, [yuv_picture(chart(), 1, False)] * 1, colorspace=1, sample_aspect_ratio=aspect)
    path = with_matrix(source, tmp_path / "film.mp4", *matrix)
    expected = upright(read_video(source)[0])
    np.testing.assert_array_equal(read_video(path)[0], expected)
    with VideoReader(path) as reader:
        np.testing.assert_array_equal(to_rgb(next(iter(reader))[1]), expected)
    info = probe(path)
    assert Fraction(info.width, info.height) == (96 / (128 * aspect) if matrix[0] == 0 else 128 * aspect / 96)


@pytest.mark.parametrize(
    "matrix",
    [(0, 0, 0, 0), (ONE, ONE, ONE, ONE), (46341, 46341, -46341, 46341), (ONE, 0, ONE // 2, ONE), (ONE, 0, 0, 0)],
)
def test_a_display_matrix_that_is_no_turn_is_refused(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    write_pictures(tmp_path / "stored.mp4", [yuv_picture(chart(), 1, False)], colorspace=1)
    assert reason_of(with_matrix(tmp_path / "stored.mp4", tmp_path / "film.mp4", *matrix)) == "bad_orientation"


def moving_bar(time: int) -> Frame:
    """A white bar on grey that moves twelve pixels a field."""
    frame = np.full((96, 128, 3), 90, np.uint8)
    frame[:, 8 + 6 * time : 24 + 6 * time] = 235
    return frame


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_interlaced_frames_have_no_combs(tmp_path: Path, codec: str) -> None:
    woven = []
    for number in range(8):
        frame = moving_bar(2 * number).copy()
        frame[::2] = moving_bar(2 * number + 1)[::2]  # bottom field first, which is what these encoders note
        woven.append(rgb_picture(frame, "yuv420p"))
    options = {"x264-params": "bff=1", "crf": "4"} if codec == "libx264" else {"flags": "+ilme+ildct", "b": "9000000"}
    path = write_pictures(tmp_path / "film.mkv", woven, codec, options=options, rate=25, clock=25)
    with VideoReader(path) as reader:
        times, frames = zip(*((time, to_rgb(frame)) for time, frame in reader), strict=True)
    assert len(frames) == 8
    assert np.diff([float(time) for time in times]) == pytest.approx(1 / 25, abs=1e-3)
    for number, frame in enumerate(frames[1:-1], start=1):
        combs = abs(np.diff(frame[8:-8].astype(int), axis=0)).max(axis=2)
        assert (combs > 40).mean() < 0.02
        assert abs(frame.astype(int) - moving_bar(2 * number)).mean() < 4


def test_the_largest_film_of_several_is_read_and_never_a_still(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for width, height, num_frames in ((64, 48, 8), (256, 192, 8), (512, 384, 1)):
            stream = container.add_stream("ffv1", rate=12)
            stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
            streams.append((stream, num_frames))
        streams[2][0].disposition = Disposition.attached_pic
        streams[0][0].disposition = Disposition.default
        for stream, num_frames in streams:
            for number in range(num_frames):
                picture = rgb_picture(chart(stream.width, stream.height), "bgr0")
                picture.pts, picture.time_base = number, Fraction(1, 12)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    assert (probe(path).width, probe(path).height) == (256, 192)
    assert read_video(path).shape == (8, 192, 256, 3)
