"""Hard cuts, frame by frame as a video is decoded: PySceneDetect's detectors without its own decoding.

`adaptive` asks twice. A change that stands out from its neighbours' by the threshold may be a cut. It is one where
a good part of what is in the picture is another thing afterwards: no change of light, no flash after which the scene is
as before, no word that pops up.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from pvtt.clips.change import SHRINK, FloatFrame, aligned, changed, contents, shrunk, shrunk_size
from pvtt.media.arrays import Frame

if TYPE_CHECKING:
    from scenedetect import SceneDetector

ANALYSIS_WIDTH = 256  # pixels; PySceneDetect's own default for its downscaled stream
MIN_SHOT_S = Fraction(1, 2)  # a second cut within this time is a flash, not a shot
ROUNDED_S = Fraction(1, 500)  # containers round times
WINDOW = 2  # AdaptiveDetector's neighbours on each side
FLASH_FRAMES = 4  # that are looked back to from a cut
# Measured on 78 cuts between drawn products, of which a third stand on plain white, and on the 63 of the sample shop,
# whose mean change is 13 and more of 255, its share of the picture .10 and more, and of what is in it .15 and more.
# Without a floor, the noise of a still picture is a change that stands out.
MIN_CHANGE = 1.0  # of 255, on average
MIN_CHANGED = 0.015  # of the picture's area
SURELY_CHANGED = 0.07
MIN_CHANGED_CONTENTS = 0.25  # of the area in which there is more than backdrop
MIN_LASTING = 0.4  # of the changed area must differ from each frame before


class CutDetector:
    """Tells the times at which shots begin, a few frames behind the newest frame.

    Args:
        kind: `adaptive` (change against its neighbourhood, tolerant of camera motion) or `content` (absolute change).
        threshold: AdaptiveDetector's `adaptive_threshold` (a ratio) or ContentDetector's `threshold` (0 to 255).
        rate: Average frames a second.
    """

    def __init__(self, kind: Literal["adaptive", "content"], threshold: float, rate: Fraction) -> None:
        from scenedetect import ContentDetector
        from scenedetect.detector import FlashFilter

        self._rate = rate
        self._is_adaptive = kind == "adaptive"
        self._detector: SceneDetector
        if self._is_adaptive:
            self._detector = _change_detector(threshold)
        else:
            self._detector = ContentDetector(
                threshold=threshold, min_scene_len=float(MIN_SHOT_S), filter_mode=FlashFilter.Mode.SUPPRESS
            )
        self._times: dict[int, Fraction] = {}  # of the frames that a cut may still be told of
        self._small: deque[Frame] = deque(maxlen=FLASH_FRAMES + WINDOW + 1)
        self._begin: Fraction | None = None  # of the shot, or of the second frame: nothing is known of the first

    @property
    def lag(self) -> int:
        """How many frames after its own a cut is told at the latest."""
        return int(self._detector.event_buffer_length)

    def push(self, index: int, time: Fraction, frame: Frame) -> list[Fraction]:
        """Look at the next frame, (H, W, 3) RGB, `ANALYSIS_WIDTH` wide; returns the times of the cuts found now."""
        from scenedetect import FrameTimecode

        self._times[index] = time
        self._times.pop(index - self.lag - 1, None)
        if self._is_adaptive:
            frame = shrunk(frame, *shrunk_size(frame, SHRINK))
            self._small.append(frame)
            if index == 1:
                self._begin = time
        cuts = self._detector.process_frame(FrameTimecode(index, self._rate), frame[..., ::-1])
        return [self._times[cut.frame_num] for cut in cuts if self._is_cut(self._times[cut.frame_num])]

    def _is_cut(self, time: Fraction) -> bool:
        if not self._is_adaptive:
            return True
        if self._begin is None or time - self._begin < MIN_SHOT_S - ROUNDED_S:
            return False
        frames = [frame.astype(np.float32) for frame in self._small]
        before, after = frames[: -WINDOW - 1], frames[-WINDOW - 1 :]
        if is_other_scene(before, after):
            self._begin = time
            return True
        return False


def is_other_scene(before: list[FloatFrame], after: list[FloatFrame]) -> bool:
    """Whether frames show other things than those before them: (h, w, 3) each, float RGB, at least one on each side."""
    last, first = before[-1], after[0]
    differs = changed(last, first)
    is_new = differs & changed(aligned(last, first), first)
    in_picture = contents(last) | contents(first) | is_new
    if is_new.mean() < MIN_CHANGED:
        return False
    if is_new.mean() < SURELY_CHANGED and is_new.sum() < MIN_CHANGED_CONTENTS * in_picture.sum():
        return False
    lasting = min(float(changed(one, other).mean()) for one in before for other in after)
    return lasting >= MIN_LASTING * differs.mean()


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
