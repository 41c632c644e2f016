"""The template: its frames as they are decoded, their exact times, and its shots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.clips.cuts import ANALYSIS_WIDTH, MIN_SHOT_S, CutDetector
from pvtt.clips.transitions import Transition, TransitionDetector
from pvtt.errors import MissingInputError
from pvtt.files.hashing import sha256_file
from pvtt.generation.ad.refusal import AdError
from pvtt.media.arrays import Frame
from pvtt.media.video import VideoError, VideoReader, to_rgb
from pvtt.params.clip import ClipParams

if TYPE_CHECKING:
    import av

MIN_FRAMES = 5
MAX_PIXELS = 4096 * 2304  # of a frame: of 8K a window alone takes gigabytes, and the model sees less than a tenth of 4K
DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True)
class ShotSpan:
    """A shot: its number from 1, and its frames."""

    number: int
    first: int
    num_frames: int


@dataclass(frozen=True)
class Template:
    """What is known of a template after it was decoded once.

    Args:
        path: The film.
        sha256: Of the file.
        width: Of a frame turned upright, in stored pixels.
        height: Likewise.
        rotation: Counterclockwise, in degrees: how stored frames are turned to be upright.
        pixel_aspect: Width of an upright frame's pixel over its height.
        rate: Frames a second, on average.
        times: Of the frames, in seconds from the container's zero.
        end: When the last frame leaves the screen.
        shots: In order; together they are all frames.
    """

    path: Path
    sha256: str
    width: int
    height: int
    rotation: int
    pixel_aspect: Fraction
    rate: Fraction
    times: tuple[Fraction, ...]
    end: Fraction
    shots: tuple[ShotSpan, ...]

    @property
    def num_frames(self) -> int:
        return len(self.times)

    def durations(self) -> list[Fraction]:
        """How long each frame is on screen, in seconds."""
        return [after - time for time, after in zip(self.times, (*self.times[1:], self.end), strict=True)]

    def span_s(self, shot: ShotSpan) -> tuple[float, float]:
        """When a shot begins and ends."""
        last = shot.first + shot.num_frames
        return float(self.times[shot.first]), float(self.end if last == self.num_frames else self.times[last])

    def frames(self) -> Iterator[Frame]:
        """The frames upright, (H, W, 3) RGB, one in memory at a time. Raises as `read_template`."""
        with VideoReader(self.path) as reader:
            for _, frame in reader:
                yield to_rgb(frame)

    def frames_by_shot(self) -> Iterator[tuple[ShotSpan, Iterator[Frame]]]:
        """The shots, each with its frames, which are to be used up before the next shot is asked for."""
        frames = self.frames()
        for shot in self.shots:
            yield shot, (frame for _, frame in zip(range(shot.num_frames), frames, strict=False))


def read_template(path: Path) -> Template:
    """Decode a template once for its times and its shots: at a dissolve or a fade the next begins in its middle.

    Raises:
        MissingInputError: There is no such file.
        VideoError: It is no video, is cut off or damaged.
        AdError: It is too short or too large.
        MissingCodecError: This machine cannot decode it.
    """
    if not path.is_file():
        fault = "is a folder: --templates takes many films" if path.is_dir() else "does not exist"
        raise MissingInputError(f"the template {path} {fault}", "give --template the file of a film")
    try:
        return _read(path)
    except VideoError as error:
        hint = "give --template a whole film with moving pictures; `ffmpeg -i IN -c:v libx264 OUT.mp4` may mend a file"
        raise VideoError(error.message, error.hint or hint, error.reason) from None


def _read(path: Path) -> Template:
    clip = ClipParams()
    times: list[Fraction] = []
    begins: set[Fraction] = set()
    last: av.VideoFrame | None = None
    with VideoReader(path) as reader:
        rate = reader.rate or DEFAULT_RATE
        detector, transitions = CutDetector(clip.detector, clip.threshold, rate), TransitionDetector(rate)
        gradual: list[Transition] = []
        for index, (time, frame) in enumerate(reader):
            if frame.width * frame.height > MAX_PIXELS:
                raise AdError(
                    f"{path.name} is {frame.width}×{frame.height}, and a template at most as large as 4096×2304",
                    "make it smaller: `ffmpeg -i IN -vf scale=-2:2160 -c:a copy OUT.mp4`",
                    "template_too_large",
                )
            height = max(16, round(ANALYSIS_WIDTH * frame.height / frame.width))
            small = to_rgb(frame, ANALYSIS_WIDTH, height)
            begins.update(detector.push(index, time, small))
            found = transitions.push(time, small)
            gradual += [] if found is None else [found]
            times.append(time)
            last = frame
        aspect = reader.sample_aspect_ratio
    if len(times) < MIN_FRAMES:
        raise AdError(
            f"{path.name} has {len(times)} frames, and an ad at least {MIN_FRAMES}",
            "give --template a whole film",
            "too_short",
        )
    assert last is not None  # at least as many frames were seen
    shown = Fraction(last.duration * last.time_base) if last.duration and last.time_base else 1 / rate
    turned = bool(last.rotation % 180)
    width, height = (last.height, last.width) if turned else (last.width, last.height)
    return Template(
        path=path,
        sha256=sha256_file(path),
        width=width,
        height=height,
        rotation=last.rotation % 360,
        pixel_aspect=1 / aspect if turned else aspect,
        rate=rate,
        times=tuple(times),
        end=times[-1] + shown,
        shots=tuple(_spans(times, _with_middles(begins, gradual, times))),
    )


def _with_middles(begins: set[Fraction], gradual: list[Transition], times: list[Fraction]) -> set[Fraction]:
    """When shots begin: at cuts outside gradual changes, and in the middle of each of these.

    A fade out and the fade in that follows within half a second are one change. One before which or after which the
    film is shorter than that begins or ends the film, and no shot.
    """
    changes: list[Transition] = []
    for one in gradual:
        if changes and one.start - changes[-1].end < MIN_SHOT_S:
            changes[-1] = Transition(changes[-1].start, one.end)
        else:
            changes.append(one)
    cuts = {time for time in begins if not any(one.start <= time <= one.end for one in changes)}
    edges = [times[0], *sorted(cuts), times[-1]]
    middles = (
        next(time for time in times if 2 * time >= one.start + one.end)
        for one in changes
        if all(abs(edge - end) >= MIN_SHOT_S for edge in edges for end in (one.start, one.end))
    )
    return cuts | set(middles)


def _spans(times: list[Fraction], begins: set[Fraction]) -> Iterator[ShotSpan]:
    """Shots from the times at which they begin."""
    firsts = [index for index, time in enumerate(times) if index == 0 or time in begins]
    for number, (first, after) in enumerate(zip(firsts, [*firsts[1:], len(times)], strict=True), start=1):
        yield ShotSpan(number, first, after - first)
