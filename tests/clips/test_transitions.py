"""Dissolves and fades are found, nothing else is one, and no clip holds a part of one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pvtt.clips.shots import SourceVideo, split_video
from pvtt.clips.transitions import TransitionDetector
from pvtt.files.hashing import sha256_file
from pvtt.media.arrays import Frame
from pvtt.media.video import read_video, write_video
from pvtt.params.clip import ClipParams
from tests import scenes
from tests.clips.cut_films import Backdrop, Event, Join, draw_shot, film_set, join, whip_pan
from tests.clips.test_cuts import cuts


def transitions(frames: list[Frame], fps: int) -> list[tuple[int, int]]:
    detector = TransitionDetector(Fraction(fps))
    found = [detector.push(Fraction(index, fps), frame) for index, frame in enumerate(frames)]
    return [(round(one.start * fps), round(one.end * fps)) for one in found if one is not None]


@pytest.mark.parametrize(
    ("backdrop", "event", "motion"),
    [
        ("white", "text_fade", 0.3),
        ("studio", "flash", 0.3),
        ("white", "hand", 0.3),
        ("grey", "flicker", 0.3),
        ("textured", "none", 3.0),
        ("white", "none", 3.0),
    ],
)
def test_words_flashes_hands_flicker_and_motion_are_none(backdrop: Backdrop, event: Event, motion: float) -> None:
    assert transitions(draw_shot(1, 20, backdrop, motion=motion, event=event), 24) == []


def test_a_whip_pan_a_cut_and_a_film_that_plays_twice_are_none() -> None:
    assert transitions(whip_pan(0), 24) == []
    one, other = (list(scenes.draw_shot(seed, 14)[0]) for seed in range(2))
    assert transitions(one + one, 8) == transitions(one + other, 8) == []


@pytest.mark.parametrize(("backdrop", "length"), [("white", 12), ("dark", 24), ("textured", 10)])
def test_a_dissolve_between_calm_shots_is_found(backdrop: Backdrop, length: int) -> None:
    shots = [draw_shot(length + 50 * number, 12 + length, backdrop, motion=0.1) for number in range(2)]
    frames, (joint,) = join(shots, [("dissolve", length)])
    assert cuts(frames, 24) == []
    ((start, end),) = transitions(frames, 24)
    assert abs(start - joint.last) <= 2
    assert abs(end - joint.first) <= 2


@pytest.mark.parametrize(("backdrop", "length"), [("textured", 4), ("dark", 5), ("studio", 6)])
def test_a_dissolve_of_four_to_six_frames_is_found(backdrop: Backdrop, length: int) -> None:
    shots = [draw_shot(length + 50 * number, 14 + length, backdrop, motion=0.1) for number in range(2)]
    frames, (joint,) = join(shots, [("dissolve", length)])
    assert cuts(frames, 24) == []
    ((start, end),) = transitions(frames, 24)
    assert abs(start - joint.last) <= 2
    assert abs(end - joint.first) <= 2


def test_a_dissolve_between_moving_cameras_is_found_and_their_motion_is_none() -> None:
    shots = [draw_shot(5 + number, 34, "textured", motion=1.2) for number in range(2)]
    frames, (joint,) = join(shots, [("dissolve", 10)])
    assert all(transitions(shot, 24) == [] for shot in shots)
    ((start, end),) = transitions(frames, 24)
    assert start < joint.first
    assert joint.last < end


@pytest.mark.parametrize("turning", [4, 8])
def test_a_whip_pan_of_any_speed_is_none(turning: int) -> None:
    assert transitions(whip_pan(1, 12, turning), 24) == []


@pytest.mark.parametrize(("colour", "length"), [("black", 6), ("white", 12)])
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


@pytest.mark.proof
def test_gradual_changes_of_the_whole_set_of_drawn_films() -> None:
    invented, true, right = 0, 0, 0
    for make in film_set():
        film = make()
        detected = transitions(film.frames, film.fps)
        gradual = [one for one in film.joints if one.first - one.last > 1]
        right += sum(any(start < one.first and one.last < end for start, end in detected) for one in gradual)
        true += len(gradual)
        invented += sum(not any(start < one.first and one.last < end for one in gradual) for start, end in detected)
    assert invented == 0
    assert right / true >= 0.85
