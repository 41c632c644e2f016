"""One video into clips: cuts, lengths, sizes, frame rates."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pvtt.clips.shots import Shot, SourceVideo, split_video
from pvtt.files.hashing import sha256_file
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Video
from pvtt.media.video import MissingCodecError, read_video, write_video
from pvtt.params.clip import ClipParams
from tests.conftest import require_program
from tests.scenes import draw_shot

PARAMS = ClipParams(min_seconds=1.0, max_seconds=2.5, min_short_side=112, width=160, height=112, fps=12.0)


def split(path: Path, directory: Path, params: ClipParams = PARAMS) -> tuple[Shot, ...]:
    directory.mkdir(exist_ok=True)
    return split_video(SourceVideo(sha256=sha256_file(path), path=path), directory, params).shots


def write_shots(path: Path, lengths: Sequence[int], fps: float = 12.0) -> Path:
    write_video(path, np.concatenate([draw_shot(seed, length)[0] for seed, length in enumerate(lengths)]), fps)
    return path


def test_each_shot_becomes_a_clip_and_short_and_long_ones_are_handled(tmp_path: Path) -> None:
    source = write_shots(tmp_path / "a.mp4", [18, 8, 36, 24])
    shots = split(source, tmp_path / "out")
    starts = [shot.start_s for shot in shots]
    assert starts == pytest.approx([0, 18 / 12, 26 / 12, 62 / 12])
    assert [shot.num_frames for shot in shots] == [18, 0, 30, 24]  # the third is trimmed to 2.5 s
    assert [shot.reason for shot in shots] == [None, "too_short", None, None]
    assert shots[2].end_s == pytest.approx(26 / 12 + 2.5)
    assert "0.67 s" in str(shots[1].message)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["shot-001.mp4", "shot-003.mp4", "shot-004.mp4"]
    for shot in (shots[0], shots[2], shots[3]):
        clip = read_video(tmp_path / "out" / str(shot.file))
        assert clip.shape == (shot.num_frames, 112, 160, 3)
        assert shot.sha256 == sha256_file(tmp_path / "out" / str(shot.file))


def test_a_clip_holds_frames_of_its_own_shot_only(tmp_path: Path) -> None:
    source = write_shots(tmp_path / "a.mp4", [18, 18])
    first, second = split(source, tmp_path / "out")
    backdrops = [draw_shot(seed, 1)[0][0, :8].mean() for seed in (0, 1)]
    for shot, backdrop in zip((first, second), backdrops, strict=True):
        clip = read_video(tmp_path / "out" / str(shot.file))
        assert clip[:, :8].mean(axis=(1, 2, 3)) == pytest.approx([backdrop] * 18, abs=8)


def test_a_frame_that_fits_already_is_encoded_as_it_was_decoded(tmp_path: Path) -> None:
    frames = draw_shot(0, 18)[0][:, :112, :160]
    write_video(tmp_path / "fits.mp4", frames, fps=12, crf=0)
    (shot,) = split(tmp_path / "fits.mp4", tmp_path / "out", PARAMS.model_copy(update={"crf": 0}))
    np.testing.assert_array_equal(
        read_video(tmp_path / "out" / str(shot.file)), read_video(tmp_path / "fits.mp4")
    )  # without any loss, so nothing was converted on the way


@pytest.mark.parametrize("change", ["matrix", "range", "format", "turned", "stretched"])
def test_a_frame_in_other_colours_or_turned_is_converted(tmp_path: Path, change: str) -> None:
    arguments = {
        "matrix": ("-vf", "scale=out_color_matrix=bt601,setparams=colorspace=smpte170m", "-pix_fmt", "yuv420p"),
        "range": ("-vf", "scale=out_range=full", "-color_range", "pc", "-pix_fmt", "yuv420p"),
        "format": ("-pix_fmt", "yuv444p"),
        "turned": (),
        "stretched": (
            "-vf",
            "setsar=2",
        ),
    }[change]
    frames = draw_shot(0, 18)[0][:, :112, :160]
    write_video(tmp_path / "plain.mp4", frames, fps=12, crf=0)
    how = (
        ("-c", "copy", "-metadata:s:v", "rotate=180")
        if change == "turned"
        else (*arguments, "-c:v", "libx264", "-qp", "0")
    )
    subprocess.run(
        [require_program("ffmpeg"), "-v", "error", "-i", tmp_path / "plain.mp4", *how, tmp_path / "other.mp4"],
        check=True,
    )
    (shot,) = split(tmp_path / "other.mp4", tmp_path / "out", PARAMS)
    clip = read_video(tmp_path / "out" / str(shot.file)).astype(int)
    expected = read_video(tmp_path / "plain.mp4").astype(int)
    if change == "turned":
        expected = expected[:, ::-1, ::-1]
    if change == "stretched":
        assert abs(clip - expected).mean() > 3  # scaled to twice the width, and cropped
    else:
        assert abs(clip - expected).mean() < 3


def test_a_wide_video_is_scaled_and_cropped_at_its_centre(tmp_path: Path) -> None:
    frame = np.zeros((224, 640, 3), np.uint8)
    frame[:, 320 - 160 : 320 + 160] = 255  # what is left after the crop to 160 by 112 at half size
    write_video(tmp_path / "wide.mp4", [frame] * 18, fps=12)
    (shot,) = split(tmp_path / "wide.mp4", tmp_path / "out")
    clip = read_video(tmp_path / "out" / str(shot.file))
    assert clip.shape[1:3] == (112, 160)
    assert clip[:, :, 4:-4].min() > 240


def numbered(num_frames: int) -> Video:
    """Frames whose grey value tells their number."""
    return np.stack([np.full((112, 160, 3), 20 + 5 * index, np.uint8) for index in range(num_frames)])


def numbers(clip: Video) -> list[int]:
    return [round((float(frame.mean()) - 20) / 5) for frame in clip]


def test_a_faster_source_is_thinned_by_time(tmp_path: Path) -> None:
    write_video(tmp_path / "fast.mp4", numbered(40), fps=24)
    (shot,) = split(tmp_path / "fast.mp4", tmp_path / "out")
    assert numbers(read_video(tmp_path / "out" / str(shot.file))) == list(range(0, 40, 2))


def test_a_variable_frame_rate_is_resampled_by_time_stamp(tmp_path: Path) -> None:
    # Frames 0-11 at 24 a second, then 12-17 at 6 a second: 0.5 s and 1 s.
    times = [Fraction(k, 24) for k in range(12)] + [Fraction(1, 2) + Fraction(k, 6) for k in range(6)]
    with av.open(str(tmp_path / "vfr.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 112, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 600)
        for frame, time in zip(numbered(18), times, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = int(time * 600), Fraction(1, 600)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    (shot,) = split(tmp_path / "vfr.mp4", tmp_path / "out")
    expected = [0, 2, 4, 6, 8, 10, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17]
    assert numbers(read_video(tmp_path / "out" / str(shot.file)))[: len(expected)] == expected


def test_millisecond_time_stamps_do_not_shift_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(40), fps=24)
    subprocess.run(
        [require_program("ffmpeg"), "-v", "error", "-i", tmp_path / "a.mp4", "-c", "copy", tmp_path / "a.mkv"],
        check=True,
    )
    (shot,) = split(tmp_path / "a.mkv", tmp_path / "out")
    assert numbers(read_video(tmp_path / "out" / str(shot.file))) == list(range(0, 40, 2))


def test_a_small_video_is_rejected_before_work_is_spent_on_it(tmp_path: Path) -> None:
    source = write_shots(tmp_path / "a.mp4", [18])
    with pytest.raises(ItemRejectedError) as caught:
        split(source, tmp_path / "out", PARAMS.model_copy(update={"min_short_side": 129}))
    assert caught.value.reason == "too_small"
    assert "192 by 128" in caught.value.message


def test_broken_files_are_rejected_with_their_reason(tmp_path: Path) -> None:
    data = write_shots(tmp_path / "a.mp4", [36]).read_bytes()
    for content, reason in [(b"<html></html>", "not_a_video"), (data[: len(data) // 2], "truncated")]:
        (tmp_path / "broken.mp4").write_bytes(content)
        with pytest.raises(ItemRejectedError) as caught:
            split(tmp_path / "broken.mp4", tmp_path / "out")
        assert caught.value.reason == reason


def test_a_missing_codec_is_a_failure_of_the_machine_not_of_the_video(tmp_path: Path) -> None:
    source = write_shots(tmp_path / "a.mp4", [18])
    source.write_bytes(source.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(MissingCodecError):
        split(source, tmp_path / "out")


def test_equal_videos_give_equal_bytes(tmp_path: Path) -> None:
    source = write_shots(tmp_path / "a.mp4", [18, 24])
    for name in ("one", "two"):
        split(source, tmp_path / name)
    for file in ("shot-001.mp4", "shot-002.mp4"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_content_detector_finds_the_same_cuts(tmp_path: Path) -> None:
    source = write_shots(tmp_path / "a.mp4", [18, 24])
    params = PARAMS.model_copy(update={"detector": "content", "threshold": 27.0})
    assert [shot.num_frames for shot in split(source, tmp_path / "out", params)] == [18, 24]


def test_a_real_clip_of_one_long_shot_is_trimmed(shared_data: Path, tmp_path: Path) -> None:
    params = PARAMS.model_copy(update={"min_short_side": 360, "max_seconds": 3.0})
    shots = split(shared_data / "video" / "intel_bottle-detection.mp4", tmp_path / "out", params)
    assert [(shot.num_frames, shot.reason) for shot in shots] == [(36, None)]
