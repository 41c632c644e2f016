"""The film that is written: times, sound, turning and size of the template's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pvtt.errors import PvttError
from pvtt.generation.ad.label import Label
from pvtt.generation.ad.template import read_template
from pvtt.generation.ad.write import AdWriter, greatest_shift
from pvtt.media.video import read_video
from tests.generation.ad.films import disc_shot, packets, uneven_times, write_film, write_wavpack_film
from tests.media.covers import write_with_cover


def rewrite(source: Path, target: Path) -> list[str]:
    """Write a template's own frames as an ad; returns what could not be kept."""
    template = read_template(source)
    with AdWriter(target, template, Label("pvtt", "1")) as writer:
        for frame in template.frames():
            writer.write(frame)
    assert greatest_shift(target, template) == 0
    return writer.notes


def test_uneven_times_and_the_last_frames_length_come_back(tmp_path: Path) -> None:
    source = write_film(tmp_path / "ad.mp4", disc_shot(200)[0], uneven_times(14))
    assert rewrite(source, tmp_path / "new.mp4") == []
    one, other = read_template(source), read_template(tmp_path / "new.mp4")
    assert (one.times, one.end) == (other.times, other.end)
    assert packets(source, "audio") == packets(tmp_path / "new.mp4", "audio")


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_other_containers_hold_the_same(tmp_path: Path, suffix: str) -> None:
    source = write_film(tmp_path / "ad.mp4", disc_shot(200)[0], uneven_times(14))
    rewrite(source, tmp_path / f"new{suffix}")
    assert read_template(tmp_path / f"new{suffix}").times == read_template(source).times
    sounds = [[sound for _, sound in packets(path, "audio")] for path in (source, tmp_path / f"new{suffix}")]
    assert sounds[0] == sounds[1]


def test_a_phones_film_stays_turned(tmp_path: Path) -> None:
    source = write_film(tmp_path / "ad.mp4", disc_shot(200)[0], rotation=90)
    template = read_template(source)
    assert (template.width, template.height) == (128, 192)
    rewrite(source, tmp_path / "new.mp4")
    made = read_template(tmp_path / "new.mp4")
    assert (made.rotation, made.width, made.height) == (template.rotation, 128, 192)
    assert made.rotation != 0
    difference = abs(read_video(tmp_path / "new.mp4").astype(int) - read_video(source))
    assert difference.mean() < 2


def test_cover_art_is_left_out_and_the_film_stays(tmp_path: Path) -> None:
    source = write_with_cover(tmp_path / "ad.mp4", list(disc_shot(200)[0]))
    assert (read_template(source).width, read_template(source).num_frames) == (192, 14)
    assert rewrite(source, tmp_path / "new.mp4") == ["stream 0, a further picture, was left out"]
    assert abs(read_video(tmp_path / "new.mp4").astype(int) - read_video(source)).mean() < 2


def test_pixels_that_are_not_square_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "ad.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for frame in disc_shot(200)[0]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    rewrite(path, tmp_path / "new.mp4")
    assert read_template(tmp_path / "new.mp4").pixel_aspect == Fraction(4, 3)


def test_odd_sides_get_a_row_more_and_it_is_said(tmp_path: Path) -> None:
    frames = disc_shot(200)[0][:, :127, :191]
    path = tmp_path / "ad.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 191, 127, "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))
    (note,) = rewrite(path, tmp_path / "new.mp4")
    assert "191×127 became 192×128" in note
    assert abs(read_video(tmp_path / "new.mp4")[:, :127, :191].astype(int) - frames).mean() < 2


def test_sound_that_the_container_cannot_hold_is_refused_with_one_that_can(tmp_path: Path) -> None:
    path = write_wavpack_film(tmp_path / "ad.mkv")
    with pytest.raises(PvttError, match=r"cannot hold the template's sound \(wavpack\)") as raised:
        rewrite(path, tmp_path / "new.mp4")
    assert ".mkv" in str(raised.value.hint)
    rewrite(path, tmp_path / "new.mkv")
    assert [sound for _, sound in packets(path, "audio")] == [
        sound for _, sound in packets(tmp_path / "new.mkv", "audio")
    ]


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    source = write_film(tmp_path / "ad.mp4", disc_shot(200)[0])
    for name in ("one.mp4", "two.mp4"):
        rewrite(source, tmp_path / name)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
