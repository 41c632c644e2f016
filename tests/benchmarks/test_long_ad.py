"""A minute of a tall ad with uneven frame times: what is kept of it, what it costs, and what killing it ten times does.

The template is made of the sample shop's films, upright, 9:16: shots of one ring, a text card, a shot of a wall, sound.
`pytest tests/benchmarks/test_long_ad.py -s` prints the figures; half an hour on two cores.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

import pvtt.builtin.shop
from pvtt.generation.ad.record import AdRecord
from pvtt.generation.ad.template import read_template
from pvtt.media.arrays import Frame, Video
from pvtt.media.video import read_video
from tests.generation.ad.films import packets, uneven_times, write_film

ROOT = Path(__file__).resolve().parents[2]
MEDIA = Path(pvtt.builtin.shop.__file__).parent / "site" / "media"
RING, BOTTLE = "JEWE016", "BOTT001"
WIDTH, HEIGHT = 270, 480  # 9:16 of the shop's films, and nothing enlarged
CARD, WALL = 60, 80  # frames
MOST_FRAMES = 60_000 // 50  # of a minute, at 50 ms on average
GIB = 1 << 30
TO_PROCESS = "import resource, sys; from pvtt.cli.main import main\ntry:\n    main()\nfinally:\n    "
TO_PROCESS += "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"


def card(num_frames: int) -> Video:
    """Words on a dark ground."""
    picture = np.full((HEIGHT, WIDTH, 3), 25, np.uint8)
    for line, text in enumerate(("NEW", "in all shops", "from today")):
        cv2.putText(
            picture, text, (16, 180 + 50 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (200, 200, 200), 2, cv2.LINE_AA
        )
    return np.repeat(picture[None], num_frames, axis=0)


def wall(num_frames: int) -> Video:
    """A wall in the sun that the camera passes: no product."""
    grain = np.random.default_rng(0).normal(0, 3, (HEIGHT, WIDTH + num_frames, 1))
    picture = np.clip(
        np.array((190, 170, 140)) + grain + np.linspace(-20, 20, WIDTH + num_frames)[None, :, None], 0, 255
    )
    return np.stack([picture[:, index : index + WIDTH] for index in range(num_frames)]).astype(np.uint8)


def upright(path: Path) -> Video:
    """A film of the shop, cut to 9:16 about its middle."""
    film = read_video(path)
    left = (film.shape[2] - WIDTH) // 2
    return film[:, :, left : left + WIDTH]


def write_minute(path: Path) -> Path:
    """The template: all films of the ring, again and again with a card and a wall between, until a minute is full."""
    films = [upright(film) for film in sorted((MEDIA / RING).glob("video-*.mp4"))]
    frames: list[Frame] = []
    turn = 0
    while len(frames) < MOST_FRAMES:
        frames += [*films[turn % len(films)], *(card(CARD) if turn % 2 == 0 else wall(WALL))]
        turn += 1
    return write_film(path, frames[:MOST_FRAMES], uneven_times(MOST_FRAMES))


@dataclass(frozen=True)
class Made:
    """What a run of the command left behind."""

    output: Path
    seconds: float
    peak_bytes: int

    @property
    def record(self) -> AdRecord:
        return AdRecord.from_json(self.output.with_suffix(".json").read_bytes())


def command(template: Path, output: Path, *more: str) -> list[str]:
    photos = sorted(str(photo) for photo in (MEDIA / BOTTLE).glob("photo-*.jpg"))
    arguments = ["generate", "--template", str(template), "--photos", *photos, "-o", str(output), "--steps", "2"]
    return [sys.executable, "-c", TO_PROCESS, *arguments, *more]


def environment(cache: Path) -> dict[str, str]:
    return os.environ | {"PVTT_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def make(template: Path, output: Path, cache: Path, *more: str) -> Made:
    output.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    ran = subprocess.run(
        command(template, output, *more), cwd=ROOT, env=environment(cache), capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - start
    assert ran.returncode == 0, ran.stderr
    (peak,) = (line.split()[1] for line in ran.stderr.splitlines() if line.startswith("PEAK"))
    return Made(output, seconds, 1024 * int(peak))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("minute")


@pytest.fixture(scope="module")
def template(folder: Path) -> Path:
    return write_minute(folder / "minute.mp4")


@pytest.fixture(scope="module")
def minute(folder: Path, template: Path) -> Made:
    return make(template, folder / "whole" / "new.mp4", folder / "cache")


@pytest.mark.timeout(3600)
def test_a_minute_keeps_its_times_its_cuts_and_its_sound(minute: Made, template: Path) -> None:
    made, given = read_template(minute.output), read_template(template)
    assert given.end == Fraction(60)
    assert (made.width, made.height) == (WIDTH, HEIGHT)
    assert made.times == given.times
    assert made.end == given.end
    assert made.shots == given.shots
    assert packets(minute.output, "audio") == packets(template, "audio")
    shots = minute.record.shots
    assert {shot.product for shot in shots if shot.generated} == {"A"}
    spared = sum(shot.num_frames for shot in shots if not shot.generated)
    print(f"\n{len(shots)} shots, {spared} of {MOST_FRAMES} frames in shots that nothing is generated in")
    assert spared >= 5 * (CARD + WALL)
    difference = np.abs(read_video(minute.output).astype(np.int16) - read_video(template)).mean(axis=(1, 2, 3))
    kept = np.concatenate([np.full(shot.num_frames, not shot.generated) for shot in shots])
    print(f"kept shots differ by {difference[kept].max():.2f} of 255 at most, after encoding")
    assert difference[kept].max() < 3


@pytest.mark.timeout(3600)
def test_what_a_minute_costs_in_time_and_memory(minute: Made, folder: Path, template: Path) -> None:
    short = write_film(folder / "short.mp4", read_video(template)[:100], uneven_times(100))
    few = make(short, folder / "short" / "new.mp4", folder / "short-cache")
    again = make(template, folder / "again" / "new.mp4", folder / "cache")
    assert again.output.read_bytes() == minute.output.read_bytes()
    windows = minute.record.num_windows
    print(f"\na minute: {minute.seconds:.0f} s, {windows} windows; all windows known: {again.seconds:.0f} s,")
    print(f"of which decoding, stitching and encoding are most: {again.seconds / minute.seconds:.0%} of the whole")
    print(f"peak: {minute.peak_bytes / GIB:.2f} GiB of a minute, {few.peak_bytes / GIB:.2f} GiB of 5 s")
    assert minute.peak_bytes - few.peak_bytes < 0.25 * GIB


@pytest.mark.timeout(3600)
def test_from_its_record_a_minute_has_the_same_bytes(minute: Made, folder: Path) -> None:
    repeated = folder / "repeated" / "new.mp4"
    repeated.parent.mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "pvtt.cli", "generate", "--from", minute.output.with_suffix(".json"), "-o", repeated],
        cwd=ROOT, env=environment(folder / "empty"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert repeated.read_bytes() == minute.output.read_bytes()
    assert json.loads(repeated.with_suffix(".json").read_text())["produce_id"] == minute.record.produce_id


@pytest.mark.timeout(3600)
def test_killed_ten_times_a_minute_has_the_same_bytes(minute: Made, folder: Path, template: Path) -> None:
    cache, output = folder / "killed-cache", folder / "killed" / "new.mp4"
    output.parent.mkdir()
    draw = random.Random(0)
    kills = 0
    while kills < 10:
        process = subprocess.Popen(
            command(template, output),
            cwd=ROOT,
            env=environment(cache),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=shutil.copyfileobj, args=(process.stdout, open(os.devnull, "wb")), daemon=True)  # noqa: PTH123, SIM115
        reader.start()
        try:
            process.wait(draw.uniform(0.05, 0.18) * minute.seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        else:
            break
        assert not output.exists()
    print(f"\nkilled {kills} times, then run to the end")
    make(template, output, cache)
    assert output.read_bytes() == minute.output.read_bytes()
    assert kills == 10


def test_the_colour_stays_over_many_windows(minute: Made) -> None:
    film = read_video(minute.output)
    joints, inside = [], []
    for shot in minute.record.shots:
        if not shot.generated or shot.windows < 12 or shot.region is None:
            continue
        frames = film[shot.first_frame : shot.first_frame + shot.num_frames]
        left, top, width, height = shot.region
        region = frames[:, top : top + height, left : left + width]
        means = rgb2lab(region.reshape(len(frames), -1, 3).mean(axis=1)[:, None] / 255)[:, 0]
        first, last = means[:4].mean(axis=0), means[45:49].mean(axis=0)
        drift = float(deltaE_ciede2000(first, last))  # type: ignore[no-untyped-call]
        changes = np.abs(np.diff(region.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
        at_joint = np.arange(1, len(frames)) % 4 == 1
        joints.append(changes[at_joint][1:].mean())
        inside.append(changes[~at_joint].mean())
        print(f"\nshot {shot.number}: ΔE {drift:.2f} from the first to the twelfth window", end="")
        print(f", neighbouring frames differ by {joints[-1]:.2f} at joints and {inside[-1]:.2f} inside windows", end="")
    print(f"\njoints over inside: {np.mean(joints) / np.mean(inside):.2f}")
    assert joints
