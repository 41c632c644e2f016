"""The film side by side with its template."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pvtt.generation.ad.compare import COMPARISON, LINE_WIDTH, half_size, write_comparison
from pvtt.generation.ad.label import Label
from pvtt.generation.ad.template import Template, read_template
from pvtt.generation.ad.write import greatest_shift
from pvtt.media.arrays import Video
from pvtt.media.video import read_video
from tests.generation.ad.films import BLUE, disc_shot, packets, uneven_times, write_film, write_wavpack_film

LABEL = Label("shop-7", "c0ffee")


def psnr(one: Video, other: Video) -> float:
    """Of the worst frame, in dB."""
    errors = np.square(one.astype(np.float64) - other).mean(axis=(1, 2, 3))
    return float(10 * np.log10(255**2 / errors.max()))


def make(folder: Path, rotation: int = 0) -> tuple[Template, Path, list[str]]:
    """A template with a red disc, the film with a blue one beside it, and what could not be kept."""
    times = uneven_times(14)
    template = read_template(write_film(folder / "ad.mp4", disc_shot(200)[0], times, rotation=rotation))
    film = write_film(folder / "new.mp4", disc_shot(120, BLUE)[0], times, rotation=rotation)
    path = folder / f"new{COMPARISON}"
    return template, path, write_comparison(path, template, film, LABEL)


@pytest.mark.parametrize("rotation", [0, 90])
def test_the_left_half_is_the_template_and_the_right_half_the_film(tmp_path: Path, rotation: int) -> None:
    template, path, notes = make(tmp_path, rotation)
    assert notes == []
    both = read_video(path)
    old, new = read_video(tmp_path / "ad.mp4"), read_video(tmp_path / "new.mp4")
    width = template.width
    assert both.shape == (14, template.height, 2 * width + LINE_WIDTH, 3)
    for half, film in ((both[:, :, :width], old), (both[:, :, -width:], new)):
        assert psnr(half, film) > 33
        for frame, before, own in zip(half[1:], film, film[1:], strict=False):
            assert psnr(frame[None], own[None]) > psnr(frame[None], before[None]) + 1
    assert psnr(both[:, :, :width], new) < 20
    assert both[:, :, width + 1 : width + LINE_WIDTH - 1].min() > 200


def test_times_end_and_sound_are_the_templates(tmp_path: Path) -> None:
    template, path, _ = make(tmp_path)
    assert greatest_shift(path, template) == 0
    made = read_template(path)
    assert (made.times, made.end, made.rotation) == (template.times, template.end, 0)
    assert packets(path, "audio") == packets(tmp_path / "ad.mp4", "audio")
    assert packets(path, "audio")


def test_it_says_that_a_model_made_it_and_is_the_same_bytes_again(tmp_path: Path) -> None:
    template, path, _ = make(tmp_path)
    with av.open(str(path)) as container:
        assert json.loads(container.metadata["AIGC"])["ProduceID"] == "c0ffee"
    assert path.read_bytes().endswith(b'<?xpacket end="r"?>')
    write_comparison(tmp_path / "again.mp4", template, tmp_path / "new.mp4", LABEL)
    assert (tmp_path / "again.mp4").read_bytes() == path.read_bytes()


def test_halves_are_even_have_square_pixels_and_are_at_most_720_high(tmp_path: Path) -> None:
    template = read_template(write_film(tmp_path / "ad.mp4", disc_shot(200)[0]))
    for size, aspect, half in (
        ((1920, 1080), Fraction(1), (1280, 720)),
        ((1080, 1920), Fraction(1), (404, 720)),
        ((720, 576), Fraction(16, 15), (768, 576)),
        ((191, 127), Fraction(1), (192, 128)),
    ):
        given = replace(template, width=size[0], height=size[1], pixel_aspect=aspect)
        width, height = half_size(given)
        assert (width % 2, height % 2) == (0, 0)
        assert max(abs(width - half[0]), abs(height - half[1])) <= 2
        assert height <= 720


def test_a_large_frame_is_reduced(tmp_path: Path) -> None:
    frames = [cv2.resize(frame, (1200, 800)) for frame in disc_shot(200)[0]]
    template = read_template(write_film(tmp_path / "ad.mp4", frames))
    write_comparison(tmp_path / "both.mp4", template, tmp_path / "ad.mp4", LABEL)
    both = read_video(tmp_path / "both.mp4")
    assert both.shape[1:] == (720, 2 * 1080 + LINE_WIDTH, 3)
    small = np.stack([cv2.resize(frame, (1080, 720), interpolation=cv2.INTER_AREA) for frame in frames])
    assert psnr(both[:, :, :1080], small) > 30


def test_sound_that_mp4_cannot_hold_is_left_out_and_said(tmp_path: Path) -> None:
    path = write_wavpack_film(tmp_path / "ad.mkv")
    (note,) = write_comparison(tmp_path / "both.mp4", read_template(path), path, LABEL)
    assert "has no sound" in note
    assert len(read_video(tmp_path / "both.mp4")) == 14
