"""One video into clips, in one pass: each frame is decoded once, looked at for cuts, and encoded into its shot.

decode ──► CutDetector ──► a few frames of delay ──► shot by shot: resample by time, resize, crop ──► H.264

A frame that has the clip's size and colours already goes to the encoder as it was decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pvtt.clips.cuts import ANALYSIS_WIDTH, CutDetector
from pvtt.clips.transitions import SPANS_S, TransitionDetector
from pvtt.files.hashing import sha256_file
from pvtt.items.runner import ItemRejectedError
from pvtt.media.framing import fit
from pvtt.media.video import VideoError, VideoReader, VideoWriter, display_size, stored_planes, to_rgb
from pvtt.params.clip import ClipParams
from pvtt.records.base import Record
from pvtt.records.catalog import Sha256

if TYPE_CHECKING:
    import av

# Containers round times to 1 ms (Matroska) or finer; a frame this late still counts as on time.
TIME_TOLERANCE = Fraction(1, 1000)
LATE_S = 0.5  # that a dissolve is told after its end, at most
MAX_ASPECT = 8  # a picture that is longer than this for its height is a strip or has a wrong pixel shape


class SourceVideo(Record):
    """One video to cut up; `path` says where it is and is no part of its identity in the item cache."""

    sha256: Sha256
    path: Path = Field(exclude=True)


class Shot(Record):
    """One shot of a video: a clip, or the reason why it is none."""

    start_s: float
    end_s: float  # of the clip where there is one (trimmed to max_seconds), else of the shot
    file: str | None = None  # in the item's directory
    sha256: Sha256 | None = None
    num_frames: int = 0
    reason: str | None = None
    message: str | None = None


class VideoShots(Record):
    """All shots of one video, in order."""

    shots: tuple[Shot, ...]


def split_video(video: SourceVideo, directory: Path, params: ClipParams) -> VideoShots:
    """Cut one video into clips of `params`' size, frame rate and length, written as `shot-NNN.mp4` in `directory`.

    Shots shorter than `min_seconds` get a reason instead of a file; longer ones than `max_seconds` are trimmed at their
    end. Holds a handful of frames in memory whatever the video's length.

    Raises:
        ItemRejectedError: `too_small`, `odd_shape`, or as `VideoError` and `UnshowableError` have it.
        MissingCodecError: This machine cannot decode it.
    """
    try:
        with VideoReader(video.path, to_bt709=True) as reader:
            return VideoShots(shots=tuple(_split(reader, directory, params)))
    except VideoError as error:
        raise ItemRejectedError(error.reason, "; ".join(filter(None, (error.message, error.hint)))) from None


@dataclass(frozen=True)
class _Marked:
    """A source frame, or the end of the video where `frame` is None."""

    time: Fraction
    frame: av.VideoFrame | None
    begins_shot: bool
    previous_ends: Fraction | None = None  # the shot before it, where a dissolve or a fade lies between


def _split(reader: VideoReader, directory: Path, params: ClipParams) -> list[Shot]:
    marked = _mark_cuts(reader, params)
    shots: list[Shot] = []
    begin = next(marked)
    while begin.frame is not None:
        path = directory / f"shot-{len(shots) + 1:03d}.mp4"
        shot, begin = _write_shot(path, begin, marked, reader.sample_aspect_ratio, params)
        shots.append(shot)
    return shots


def _mark_cuts(reader: VideoReader, params: ClipParams) -> Iterator[_Marked]:
    """Yield all frames, late by what the cut detector needs to be sure, then the end."""
    rate = reader.rate or Fraction(25)
    detector = CutDetector(params.detector, params.threshold, rate)
    transitions = TransitionDetector(rate)
    delayed: deque[tuple[Fraction, av.VideoFrame]] = deque()
    begins: set[Fraction] = set()
    ends: dict[Fraction, Fraction] = {}  # of shots, by when the next begins after a dissolve or a fade

    def release(num_kept: int) -> Iterator[_Marked]:
        while len(delayed) > num_kept:
            time, frame = delayed.popleft()
            yield _Marked(time, frame, time in begins or time in ends, ends.get(time))

    shift = Fraction(0)
    for index, (time, frame) in enumerate(reader):
        if index == 0:
            shift = max(Fraction(0), -time)  # a clip's times are from the film's start, wherever its container has it
            _check_size(frame, reader.sample_aspect_ratio, params)
        analysis_height = max(16, round(ANALYSIS_WIDTH * frame.height / frame.width))
        time += shift
        small = to_rgb(frame, ANALYSIS_WIDTH, analysis_height)
        begins.update(detector.push(index, time, small))
        delayed.append((time, frame))
        transition = transitions.push(time, small)
        if transition is not None:
            begins -= {one for one in begins if transition.start <= one <= transition.end}
            # Told some frames late: the new shot begins with the first of those that still wait.
            begin = next(one for one, _ in delayed if one >= transition.end or one == time)
            ends[begin] = transition.start
        yield from release(num_kept=detector.lag)
    yield from release(num_kept=0)
    yield _Marked(reader.end + shift, None, begins_shot=True)


def _check_size(frame: av.VideoFrame, sample_aspect_ratio: Fraction, params: ClipParams) -> None:
    width, height = display_size(frame, sample_aspect_ratio)
    if max(width, height) > MAX_ASPECT * max(1, min(width, height)):
        raise ItemRejectedError("odd_shape", f"{width} by {height}: no film is so long for its height")
    if min(width, height) < params.min_short_side:
        raise ItemRejectedError(
            "too_small", f"{width} by {height}: the short side is below min_short_side {params.min_short_side}"
        )


def _write_shot(
    path: Path, begin: _Marked, following: Iterator[_Marked], sample_aspect_ratio: Fraction, params: ClipParams
) -> tuple[Shot, _Marked]:
    """Encode the shot that begins with `begin`; returns it and what follows it.

    Output frame k shows the source frame that is on screen at `begin.time + k / fps`.
    """
    fps = Fraction(params.fps).limit_denominator(1001)
    max_frames = int(Fraction(params.max_seconds).limit_denominator(1000) * fps)
    on_screen, num_frames = begin, 0
    with VideoWriter(path, params.fps, params.crf, decodes_fast=True) as writer:
        # Of output frames, the newest: a dissolve that began with one of them is told later.
        waiting = _Waiting(writer, ceil((max(SPANS_S) + LATE_S) * float(fps)))
        for marked in following:
            due = min(ceil((marked.time - TIME_TOLERANCE - begin.time) * fps), max_frames)
            if due > num_frames and on_screen.frame is not None:
                waiting.add(_picture(on_screen.frame, sample_aspect_ratio, params), due - num_frames)
                num_frames = due
            on_screen = marked
            if marked.begins_shot:
                break
        start = begin.time
        end = on_screen.time if on_screen.previous_ends is None else max(start, on_screen.previous_ends)
        waiting.finish(ceil((end - TIME_TOLERANCE - start) * fps))
    if end - start < Fraction(params.min_seconds) - TIME_TOLERANCE:
        path.unlink(missing_ok=True)
        message = f"{float(end - start):.2f} s: below min_seconds {params.min_seconds:g}"
        return Shot(start_s=float(start), end_s=float(end), reason="too_short", message=message), on_screen
    shot = Shot(
        start_s=float(start),
        end_s=float(min(end, start + writer.num_frames / fps)),
        file=path.name,
        sha256=sha256_file(path),
        num_frames=writer.num_frames,
    )
    return shot, on_screen


class _Waiting:
    """Pictures on their way to the encoder, of which the newest may still be taken back."""

    def __init__(self, writer: VideoWriter, num_kept: int) -> None:
        self._writer = writer
        self._num_kept = num_kept
        self._pictures: deque[_Picture] = deque()

    def add(self, picture: _Picture, times: int) -> None:
        """Let a picture be on screen for so many frames."""
        self._pictures.extend([picture] * times)
        self._write(self._num_kept)

    def finish(self, num_frames: int) -> None:
        """Encode what waits, up to so many frames in all."""
        while self._pictures and self._writer.num_frames + len(self._pictures) > num_frames:
            self._pictures.pop()
        self._write(0)

    def _write(self, num_kept: int) -> None:
        while len(self._pictures) > num_kept:
            picture = self._pictures.popleft()
            if picture.is_stored:
                self._writer.write_planes(picture.pixels)
            else:
                self._writer.write(picture.pixels)


@dataclass(frozen=True)
class _Picture:
    """A frame in the clip's size: planes as `VideoWriter` stores them, or (H, W, 3) RGB."""

    pixels: npt.NDArray[np.uint8]
    is_stored: bool


def _picture(frame: av.VideoFrame, sample_aspect_ratio: Fraction, params: ClipParams) -> _Picture:
    planes = stored_planes(frame, sample_aspect_ratio)
    if planes is not None and planes.shape == (params.height * 3 // 2, params.width):
        return _Picture(planes, is_stored=True)
    return _Picture(fit(frame, sample_aspect_ratio, params.width, params.height), is_stored=False)
