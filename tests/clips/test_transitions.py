"""Shots are told apart: cuts on any backdrop, dissolves, fades; and nothing else is one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pvtt.clips.cuts import CutDetector
from pvtt.clips.shots import SourceVideo, split_video
from pvtt.clips.transitions import TransitionDetector
from pvtt.files.hashing import sha256_file
from pvtt.media.arrays import Frame
from pvtt.media.video import read_video, write_video
from pvtt.params.clip import ClipParams
from tests.clips.cut_films import Backdrop, Event, Join, draw_film, draw_shot, join

BACKDROPS: tuple[Backdrop, ...] = ("white", "grey", "dark", "studio", "textured")


def cuts(frames: list[Frame], fps: int) -> list[int]:
    detector = CutDetector("adaptive", 3.0, Fraction(fps))
    found = [detector.push(index, Fraction(index, fps), frame) for index, frame in enumerate(frames)]
    return [round(time * fps) for times in found for time in times]


def transitions(frames: list[Frame], fps: int) -> list[tuple[int, int]]:
    detector = TransitionDetector(Fraction(fps))
    found = [detector.push(Fraction(index, fps), frame) for index, frame in enumerate(frames)]
    return [(round(one.start * fps), round(one.end * fps)) for one in found if one is not None]


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_cuts_between_products_are_found_to_the_frame(backdrop: Backdrop) -> None:
    fps = 12
    film = draw_film(BACKDROPS.index(backdrop) + fps, [("cut", 0)] * 2, backdrop, fps=fps)
    assert cuts(film.frames, fps) == [one.first for one in film.joints]
    assert transitions(film.frames, fps) == []


@pytest.mark.parametrize("backdrop", ["white", "studio"])
@pytest.mark.parametrize("event", ["none", "text", "exposure", "flash", "hand", "pop_noise"])
def test_light_flashes_words_hands_and_noise_are_no_new_shot(backdrop: Backdrop, event: Event) -> None:
    frames = draw_shot(BACKDROPS.index(backdrop), 28, backdrop, motion=0.3, event=event)
    assert cuts(frames, 24) == []
    assert transitions(frames, 24) == []


@pytest.mark.parametrize("motion", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("backdrop", ["white", "textured"])
def test_motion_alone_is_no_new_shot(backdrop: Backdrop, motion: float) -> None:
    frames = draw_shot(5, 36, backdrop, motion=motion)
    assert cuts(frames, 24) == []
    assert transitions(frames, 24) == []


@pytest.mark.parametrize(
    ("backdrop", "length"),
    [("white", 6), ("white", 12), ("white", 24), ("grey", 8), ("dark", 12), ("studio", 16), ("textured", 10)],
)
def test_a_dissolve_between_calm_shots_is_found(backdrop: Backdrop, length: int) -> None:
    seed = BACKDROPS.index(backdrop) + length
    shots = [draw_shot(seed + 50 * number, 12 + length, backdrop, motion=0.1) for number in range(2)]
    frames, (joint,) = join(shots, [("dissolve", length)])
    assert cuts(frames, 24) == []
    ((start, end),) = transitions(frames, 24)
    assert abs(start - joint.last) <= 2
    assert abs(end - joint.first) <= 2


@pytest.mark.parametrize("colour", ["black", "white"])
@pytest.mark.parametrize("length", [6, 12])
def test_a_fade_through_black_or_white_is_found(colour: Join, length: int) -> None:
    shots = [draw_shot(60 + number, 12 + length, "studio", motion=0.2) for number in range(2)]
    frames, (joint,) = join(shots, [(colour, length)])
    (out, back) = transitions(frames, 24)
    assert abs(out[0] - joint.last) <= 2
    assert abs(back[1] - joint.first) <= 2


def test_clips_hold_nothing_of_a_dissolve(tmp_path: Path) -> None:
    shots = [draw_shot(50 * number + 8, 30, "grey", motion=0.1) for number in range(2)]
    frames, (joint,) = join(shots, [("dissolve", 12)])
    path = tmp_path / "film.mp4"
    write_video(path, frames, fps=24)
    params = ClipParams(min_seconds=0.5, max_seconds=5, min_short_side=112, width=256, height=192, fps=24.0)
    (tmp_path / "out").mkdir()
    first, second = split_video(SourceVideo(sha256=sha256_file(path), path=path), tmp_path / "out", params).shots
    assert joint.last - 2 <= first.end_s * 24 <= joint.last + 1
    assert joint.first - 1 <= second.start_s * 24 <= joint.first + 6
    for shot, place in ((first, 0), (second, round(second.start_s * 24))):
        clip = read_video(tmp_path / "out" / str(shot.file))
        assert len(clip) == shot.num_frames
        assert np.abs(clip.astype(int) - np.stack(frames[place : place + len(clip)])).mean() < 4
