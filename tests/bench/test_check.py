"""Somebody else's films, looked over: a line a fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.bench.check import allowed, check_submission
from pvtt.bench.films import triplet_pixels
from pvtt.bench.sets import BenchSet
from pvtt.cli.main import main
from pvtt.media.arrays import Video
from pvtt.media.video import StreamWriter, write_video
from tests.bench.sets import ONE_SHOT, TWO_SHOTS


def write(path: Path, film: Video, crf: int = 23, fps: float = 12) -> None:
    """As somebody else would: H.264 of usual quality."""
    with StreamWriter(path, fps, "libx264", {"crf": str(crf), "preset": "veryfast"}, "yuv420p", "rgb24") as writer:
        for frame in film:
            writer.write(frame)


@pytest.fixture
def films(bench: BenchSet, tmp_path: Path) -> Path:
    """The truths, encoded again."""
    for triplet in bench.triplets:
        truth = triplet_pixels(bench, triplet).truth
        assert truth is not None
        write(tmp_path / f"{triplet.name}.mp4", truth)
    return tmp_path


def exit_code(*words: str) -> int:
    try:
        main(["bench", "submit-check", *words])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def test_whole_films_pass(films: Path, bench: BenchSet, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_submission(films, bench) == []
    assert exit_code(str(films), "--bench", str(bench.folder)) == 0
    assert "2 films, nothing wrong" in capsys.readouterr().out


def test_names_are_checked(films: Path, bench: BenchSet, capsys: pytest.CaptureFixture[str]) -> None:
    (films / f"{ONE_SHOT}.mp4").rename(films / "pendant.mp4")
    assert check_submission(films, bench) == ["pendant.mp4: no triplet has this name", f"{ONE_SHOT}.mp4: missing"]
    assert exit_code(str(films), "--bench", str(bench.folder)) == 6
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:2] == ["pendant.mp4: no triplet has this name", f"{ONE_SHOT}.mp4: missing"]
    assert "has 2 faults" in printed.err


def test_lengths_sizes_and_rates_are_checked(films: Path, bench: BenchSet) -> None:
    pixels = {one.name: triplet_pixels(bench, one).template for one in bench.triplets}
    write(films / f"{ONE_SHOT}.mp4", pixels[ONE_SHOT][:-2])
    write(films / f"{TWO_SHOTS}.mp4", pixels[TWO_SHOTS][:, :, :200])
    faults = check_submission(films, bench)
    assert len(faults) == 2
    assert f"{ONE_SHOT}.mp4: {ONE_SHOT}.mp4 has {len(pixels[ONE_SHOT]) - 2} frames" in "\n".join(faults)
    assert "frames of 200×160" in "\n".join(faults)
    write(films / f"{ONE_SHOT}.mp4", pixels[ONE_SHOT], fps=24)
    (films / f"{TWO_SHOTS}.mp4").write_bytes(b"nothing")
    faults = check_submission(films, bench)
    assert f"{ONE_SHOT}.mp4: it has 24 frames a second, the template 12" in faults
    assert any(fault.startswith(f"{TWO_SHOTS}.mp4: ") and "is not a video" in fault for fault in faults)


def test_pixels_outside_may_be_encoded_again_and_no_more(films: Path, bench: BenchSet) -> None:
    (triplet,) = bench.only([TWO_SHOTS])
    pixels = triplet_pixels(bench, triplet)
    assert pixels.truth is not None
    assert pixels.region is not None
    write(films / f"{TWO_SHOTS}.mp4", pixels.truth, crf=30)
    assert check_submission(films, bench) == []
    signed = pixels.truth.copy()
    signed[5, :16, :24] = np.where(signed[5, :16, :24] > 128, signed[5, :16, :24] - 40, signed[5, :16, :24] + 40)
    assert not allowed(pixels.region)[5, :16, :24].any()
    write(films / f"{TWO_SHOTS}.mp4", signed, crf=16)
    (fault,) = check_submission(films, bench)
    assert "pixels far from the product changed: in frame 5" in fault


def test_one_bench_is_asked_for(tmp_path: Path) -> None:
    assert exit_code(str(tmp_path)) == 2
    assert exit_code(str(tmp_path), "--small", "--bench", str(tmp_path)) == 2
    assert exit_code(str(tmp_path / "none"), "--small") == 3


def test_stray_files_are_named(bench: BenchSet, tmp_path: Path) -> None:
    write_video(tmp_path / "x.mp4", np.zeros((3, 16, 16, 3), np.uint8), 12)
    assert check_submission(tmp_path, bench)[0] == "x.mp4: no triplet has this name"
