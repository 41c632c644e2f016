"""The same samples from each run: template, truth, and each run's output, the middle frame of each."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pvtt.files.atomic import scratch_directory
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.parts import Part
from pvtt.report.compare.record import RunComparison
from pvtt.report.compare.sources import EVALUATED, Run

WIDTH = 320  # pixels of a picture at most
MAX_ROWS = 4
PARTS: tuple[Part, ...] = ("transfer", "test")


@dataclass(frozen=True)
class PictureRow:
    """A sample. `pictures` are (title, PNG as a data URI), None where there is no video."""

    key: str
    part: Part
    caption: str
    pictures: tuple[tuple[str, str | None], ...]


def picture_rows(runs: Sequence[Run], comparison: RunComparison) -> tuple[PictureRow, ...]:
    """The first samples, transfers before test, of which two runs or more have a video: nobody picks the good ones.

    Args:
        runs: Those of the comparison.
        comparison: Which knows what runs were measured on: samples of other data are not the same samples.
    """
    data = [run.dataset_sha256 for run in comparison.runs]
    of_runs = [
        {(one.part, one.key): one for one in run.samples if "generated" in one.videos}
        if here is not None and here == data[0]
        else {}
        for run, here in zip(runs, data, strict=True)
    ]
    places = [
        place
        for part in PARTS
        for place in dict.fromkeys(place for found in of_runs for place in found)
        if place[0] == part
    ]
    shared = [place for place in places if sum(place in found for found in of_runs) > 1][:MAX_ROWS]
    if not shared:
        return ()
    with scratch_directory() as scratch:
        return tuple(_row(runs, [found.get(place) for found in of_runs], scratch) for place in shared)


def _row(runs: Sequence[Run], samples: Sequence[EvaluatedSample | None], scratch: Path) -> PictureRow:
    place = next(number for number, sample in enumerate(samples) if sample is not None)
    shown = samples[place]
    assert shown is not None
    given = [
        (name, label) for name, label in (("template", "template"), ("ground_truth", "truth")) if name in shown.videos
    ]
    pictures = [(label, _picture(runs[place], shown, name, scratch)) for name, label in given]
    for run, sample in zip(runs, samples, strict=True):
        pictures.append((run.name, None if sample is None else _picture(run, sample, "generated", scratch)))
    return PictureRow(shown.key, shown.part, shown.caption or shown.category, tuple(pictures))


def _picture(run: Run, sample: EvaluatedSample, name: str, scratch: Path) -> str | None:
    """The middle frame; None where the video is not here, or is none."""
    from PIL import Image

    from pvtt.media.video import VideoError, read_video

    content = run.files.read(f"{EVALUATED}/{sample.videos[name]}")
    if content is None:
        return None
    path = scratch / "video.mp4"
    path.write_bytes(content)
    try:
        frames = read_video(path)
    except VideoError:
        return None
    picture = Image.fromarray(frames[len(frames) // 2])
    picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
