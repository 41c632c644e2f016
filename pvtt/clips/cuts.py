"""Hard cuts, frame by frame as a video is decoded: PySceneDetect's detectors without its own decoding.

`adaptive` looks for changes that stand out from their neighbours' by the threshold, and then asks what has changed:

    another scene   much of what is in the picture was nowhere near before; the change itself may be slight, as between
                    two products on white
    a jump          the same things, moved at once: a cut where the change is as large as PySceneDetect wants it
    neither         a change of light, a flash or a flicker after which the picture is as before, a word that pops up
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from pvtt.clips.change import SHRINK, Area, FloatFrame, aligned, changed, contents, nowhere_near, shrunk, shrunk_size
from pvtt.media.arrays import Frame

if TYPE_CHECKING:
    from scenedetect import SceneDetector

ANALYSIS_WIDTH = 256  # pixels; PySceneDetect's own default for its downscaled stream
MIN_SHOT_S = Fraction(1, 2)  # a second cut within this time is a flash, not a shot
ROUNDED_S = Fraction(1, 500)  # containers round times
WINDOW = 2  # AdaptiveDetector's neighbours on each side
FLASH_FRAMES = 4  # that are looked back to from a cut
# AdaptiveDetector's floor under its ratio, for jumps. Measured on 62 rendered shots with a jump of ten frames cut into
# each: 36 jumps found, none invented; with PySceneDetect's own 15 only 21 found. Of 54 cuts between drawn products
# 24 pass this floor, and all are found as other scenes.
MIN_CONTENT = 6.0
# The floor for other scenes, of 255, on average. Without one, the noise of a still picture is a change that stands out.
MIN_CHANGE = 1.0
MIN_CHANGED = 0.015  # of the picture's area
SURELY_CHANGED = 0.07
MIN_CHANGED_CONTENTS = 0.25  # of the area in which there is more than backdrop
MIN_LASTING = 0.2  # of a jump's changed area must differ from each frame before


class CutDetector:
    """Tells the times at which shots begin, a few frames behind the newest frame.

    Args:
        kind: `adaptive` (change against its neighbourhood, tolerant of camera motion) or `content` (absolute change).
        threshold: AdaptiveDetector's `adaptive_threshold` (a ratio) or ContentDetector's `threshold` (0 to 255).
        rate: Average frames a second.
    """

    def __init__(self, kind: Literal["adaptive", "content"], threshold: float, rate: Fraction) -> None:
        from scenedetect import AdaptiveDetector, ContentDetector
        from scenedetect.detector import FlashFilter

        self._rate = rate
        self._is_adaptive = kind == "adaptive"
        self._detector: SceneDetector
        if self._is_adaptive:
            self._detector = AdaptiveDetector(
                adaptive_threshold=threshold, min_scene_len=0, window_width=WINDOW, min_content_val=MIN_CONTENT
            )
        else:
            self._detector = ContentDetector(
                threshold=threshold, min_scene_len=float(MIN_SHOT_S), filter_mode=FlashFilter.Mode.SUPPRESS
            )
        self._slight_changes = _change_detector(threshold)
        self._times: dict[int, Fraction] = {}  # of the frames that a cut may still be told of
        self._small: deque[Frame] = deque(maxlen=FLASH_FRAMES + WINDOW + 1)
        self._begin: Fraction | None = None  # of the shot

    @property
    def lag(self) -> int:
        """How many frames after its own a cut is told at the latest."""
        return int(self._detector.event_buffer_length)

    def push(self, index: int, time: Fraction, frame: Frame) -> list[Fraction]:
        """Look at the next frame, (H, W, 3) RGB, `ANALYSIS_WIDTH` wide; returns the times of the cuts found now."""
        from scenedetect import FrameTimecode

        self._times[index] = time
        self._times.pop(index - self.lag - 1, None)
        timecode = FrameTimecode(index, self._rate)
        stands_out = self._detector.process_frame(timecode, frame[..., ::-1])
        if not self._is_adaptive:
            return [self._times[cut.frame_num] for cut in stands_out]
        small = shrunk(frame, *shrunk_size(frame, SHRINK))
        self._small.append(small)
        stands_out_slightly = self._slight_changes.process_frame(timecode, small)
        if self._begin is None:
            self._begin = time
        if not stands_out and not stands_out_slightly:
            return []
        candidate = self._times[(stands_out or stands_out_slightly)[0].frame_num]
        if candidate - self._begin < MIN_SHOT_S - ROUNDED_S:
            return []
        frames = [one.astype(np.float32) for one in self._small]
        before, after = frames[: -WINDOW - 1], frames[-WINDOW - 1 :]
        if (stands_out and is_jump(before, after)) or (stands_out_slightly and is_other_scene(before, after)):
            self._begin = candidate
            return [candidate]
        return []


def is_jump(before: list[FloatFrame], after: list[FloatFrame]) -> bool:
    """Whether pictures have changed for good, and not their light alone; arguments as `is_other_scene`."""
    differs = changed(before[-1], after[0])
    if _changed_in_any_light(before[-1], after[0]).mean() < MIN_CHANGED:
        return False
    lasting = min(float(changed(one, other).mean()) for one in before for other in after)
    return lasting >= MIN_LASTING * float(differs.mean())


def is_other_scene(before: list[FloatFrame], after: list[FloatFrame]) -> bool:
    """Whether frames show other things than those before them: (h, w, 3) each, float RGB, at least one on each side."""
    last, first = before[-1], after[0]
    differs = _changed_in_any_light(last, first)
    if not _is_much(differs, last, first):
        return False
    came, went = differs.copy(), differs.copy()
    for one in reversed(before):
        came &= nowhere_near(first, one)
        went &= nowhere_near(one, first)
        if not _is_much(came | went, last, first):
            return False
    for one in after[1:]:
        came &= nowhere_near(one, last)
        went &= nowhere_near(last, one)
    return _is_much(came | went, last, first)


def _changed_in_any_light(last: FloatFrame, first: FloatFrame) -> Area:
    return changed(last, first) & changed(aligned(last, first), first)


def _is_much(area: Area, last: FloatFrame, first: FloatFrame) -> bool:
    if area.mean() < MIN_CHANGED:
        return False
    in_picture = contents(last) | contents(first) | area
    return bool(area.mean() >= SURELY_CHANGED or area.sum() >= MIN_CHANGED_CONTENTS * in_picture.sum())


def _change_detector(threshold: float) -> SceneDetector:
    from scenedetect import AdaptiveDetector, FrameTimecode

    class ChangeDetector(AdaptiveDetector):
        """PySceneDetect's, by the change of small frames: hue, by which its own goes, is noise on white and black."""

        def __init__(self) -> None:
            super().__init__(
                adaptive_threshold=threshold, min_scene_len=0, window_width=WINDOW, min_content_val=MIN_CHANGE
            )
            self._previous: Frame | None = None

        def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Frame) -> float:
            previous, self._previous = self._previous, frame_img
            if previous is None:
                return 0.0
            return float(np.abs(frame_img.astype(np.int16) - previous).max(axis=2).mean())

    return ChangeDetector()
