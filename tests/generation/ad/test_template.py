"""A template's shots: between cuts, and between the middles of dissolves and fades."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.generation.ad.template import read_template
from pvtt.media.video import write_video
from tests.clips.cut_films import Join, draw_shot, join


@pytest.mark.parametrize(("kind", "length"), [("cut", 0), ("dissolve", 8), ("black", 6)])
def test_shots_meet_at_cuts_and_in_the_middle_of_dissolves_and_fades(tmp_path: Path, kind: Join, length: int) -> None:
    shots = [draw_shot(60 + number, 20 + length, "studio", motion=0.1) for number in range(2)]
    frames, (joint,) = join(shots, [(kind, length)])
    write_video(tmp_path / "film.mp4", frames, fps=24, crf=4)
    first, second = read_template(tmp_path / "film.mp4").shots
    assert (first.number, first.first, second.number) == (1, 0, 2)
    assert first.num_frames + second.num_frames == len(frames)
    assert second.first == first.num_frames
    assert abs(second.first - (joint.last + joint.first + 1) / 2) <= (0 if kind == "cut" else 2)


def test_a_film_that_fades_in_and_out_is_one_shot(tmp_path: Path) -> None:
    shot = draw_shot(62, 40, "studio", motion=0.1)
    faded = [frame // 8 * min(8, index, len(shot) - 1 - index) for index, frame in enumerate(shot)]
    write_video(tmp_path / "film.mp4", faded, fps=24, crf=4)
    assert len(read_template(tmp_path / "film.mp4").shots) == 1
