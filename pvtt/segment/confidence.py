"""How far a clip's mask can be trusted, from what the mask of one whole product in a steady shot never does.

    tracked soft masks ──► agreement: are the masks of two key frames, carried to one frame, the same?
    final masks        ──► stability: is a mask the one before, moved?   area, border: does something come or go?
    key frames         ──► how many products, and are there hands and people?

Each sign is a number from 0 to 1; the least of them is the confidence. Agreement and the number of products end at
0.5, which is doubtful and no more: where a ring's inside is filled on some key frames only, most of the mask is still
right, and a detector may err on one key frame (`Judge` counts those).

Measured on the sample shop's clips (none of which touches the border, least likeness of two masks 0.66), two
turntables, and clips of hands, people, cars and several things (intel-iot-devkit/sample-videos).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pvtt.media.arrays import Frame, FrameRegion, SoftMask
from pvtt.records.clips import Confidence
from pvtt.segment.people import Sighting, look

LINES = 120  # height at which masks are compared; one of its pixels may differ
TOUCH = 0.01  # of the border: contact from here
SOME_SKIN = (0.02, 0.08)  # of a mask that touches the border: none, and surely a hand's or a person's


@dataclass
class Witness:
    """Watches a clip being segmented.

    Args:
        max_products: More on a key frame are doubtful.
    """

    max_products: int = 1
    agreements: list[float] = field(default_factory=list)  # a frame
    stabilities: list[float] = field(default_factory=list)  # a frame but the first
    areas: list[float] = field(default_factory=list)  # of the frame, a frame
    borders: list[float] = field(default_factory=list)  # of the frame's border, a frame
    counts: list[int] = field(default_factory=list)  # products, a key frame
    sightings: list[Sighting] = field(default_factory=list)  # a key frame
    _last: FrameRegion | None = None

    def see(self, frame: Frame, mask: SoftMask | None, num_products: int) -> None:
        """Take a key frame, (H, W, 3) RGB, and its detection into account."""
        self.counts.append(num_products)
        self.sightings.append(look(frame, np.zeros(frame.shape[:2], np.bool_) if mask is None else mask >= 0.5))

    def follow(self, masks: Iterable[SoftMask]) -> Iterator[SoftMask]:
        """Pass the tracker's masks through."""
        for mask in masks:
            self.agreements.append(agreement(mask))
            yield mask

    def measure(self, mask: FrameRegion, area: float, border: float) -> None:
        """Take one frame's final mask, (H, W), into account."""
        small = _reduce(mask)
        if self._last is not None:
            self.stabilities.append(likeness(self._last, small))
        self._last = small
        self.areas.append(area)
        self.borders.append(border)

    def confidence(self) -> Confidence:
        """What all of it comes to."""
        keys = max(1, len(self.counts))
        odd = sum(not 1 <= count <= self.max_products for count in self.counts) / keys
        held = [_ramp(one.skin, *SOME_SKIN[::-1]) if one.contact >= TOUCH else 1.0 for one in self.sightings]
        faces = [one.face and one.contact >= TOUCH for one in self.sightings]
        alone = any(one.face for one in self.sightings)
        people = min(float(np.median(held or [1.0])), 0.0 if 2 * sum(faces) >= keys and any(faces) else 1.0)
        come = max(self.borders) - min(self.borders)
        return Confidence(
            stability=_ramp(min(self.stabilities, default=1.0), 0.3, 0.9),
            agreement=max(0.5, _ramp(float(np.percentile(self.agreements, 5)), 0.4, 0.9)),
            area=_ramp(min(self.areas) / max(*self.areas, 1e-9), 0.05, 0.3),
            border=min(_ramp(float(np.mean(self.borders)), 0.4, 0.0), _ramp(come, 0.3, 0.02)),
            objects=max(0.5, 1 - odd),
            people=min(people, 0.7 if alone else 1.0),
        )


def agreement(mask: SoftMask) -> float:
    """How sure a soft mask, (H, W) in [0, 1], is: 1 less the share of it that is neither in nor out, edges apart."""
    import cv2

    size = max(1, round(mask.shape[1] * LINES / mask.shape[0])), LINES
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    unsure = ((small > 0.2) & (small < 0.8)).astype(np.uint8)
    wide = cv2.morphologyEx(unsure, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    whole = int((small >= 0.5).sum())
    return 1 - min(1.0, float(wide.sum()) / whole) if whole else 0.0


def likeness(one: FrameRegion, other: FrameRegion) -> float:
    """How far two masks are the same thing, moved: the lesser share of each that lies in the other, but for a pixel."""
    import cv2

    if not one.any() or not other.any():
        return 1.0 if not one.any() and not other.any() else 0.0
    shift = np.round([np.flatnonzero(one.any(axis=axis)).mean() for axis in (0, 1)]) - np.round(
        [np.flatnonzero(other.any(axis=axis)).mean() for axis in (0, 1)]
    )
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    moved = cv2.warpAffine(other.astype(np.uint8), move, one.shape[::-1], flags=cv2.INTER_NEAREST)
    near = np.ones((3, 3), np.uint8)
    shares = [
        float((inner & (cv2.dilate(outer, near) > 0)).sum() / max(1, inner.sum()))
        for inner, outer in ((one, moved), (moved > 0, one.astype(np.uint8)))
    ]
    return min(shares)


def _reduce(mask: FrameRegion) -> FrameRegion:
    import cv2

    size = max(1, round(mask.shape[1] * LINES / mask.shape[0])), LINES
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) >= 96)


def _ramp(value: float, zero: float, one: float) -> float:
    """0 up to `zero`, 1 from `one` on, a line between; `zero` may be the larger."""
    return float(np.clip((value - zero) / (one - zero), 0, 1))
