"""Leftovers: what still names the old product when it is gone, for a person to look at.

    template's frame ──► texts and codes inside the region   ──┐
    output's frame   ──► texts and codes outside of it       ──┴─► those that say the same
    the sound, which is the template's                       ──► speech

Some frames of each shot are looked at. It is a warning and never an error: what cannot be checked is said to be so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field

from pvtt.errors import first_line
from pvtt.generation.ad.reading import Seen, hear_speech, read_codes, read_texts
from pvtt.generation.ad.template import ShotSpan
from pvtt.media.arrays import Frame, FrameRegion
from pvtt.records.base import Record

MIN_LOOKS, MAX_LOOKS = 3, 12  # frames of a shot that are looked at: one a second between these
WORD = re.compile(r"[^\W_]+")
MIN_LETTERS = 3  # of a word that is compared, and one of Chinese or Japanese may have
MIN_IDEOGRAPHS = 2
MIN_CONTAINED = 4  # letters of a word that may be a part of another
SAME_WORD = 0.8  # of 1, difflib's ratio: a letter in five may be read wrongly
NO_EXTRA = "it needs `pip install 'pvtt[leftovers]'`"

Found = TypeVar("Found")


class Leftover(Record):
    """One thing that is left of the old product."""

    kind: Literal["text", "code", "speech"]
    content: str  # what is to be read; empty of speech
    begin_s: float  # of text and codes: the first frame looked at that shows it in this shot
    end_s: float  # and the last

    def __str__(self) -> str:
        when = f"{self.begin_s:.2f} s" if self.begin_s == self.end_s else f"{self.begin_s:.2f}-{self.end_s:.2f} s"
        if self.kind == "speech":
            return f"{when}: speech in the sound, which is the template's"
        return f"{when}: the {self.kind} {self.content!r} was on the old product and is still to be read elsewhere"


class LeftoverCheck(Record):
    """What was looked for and found."""

    found: tuple[Leftover, ...] = ()
    not_checked: dict[str, str] = Field(default_factory=dict)  # kind → why

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found, a line each."""
        return tuple(map(str, self.found))


@dataclass
class Leftovers:
    """Collects what is read while an ad's frames go by."""

    _old: list[Seen] = field(default_factory=list)
    _left: list[tuple[int, float, Seen]] = field(default_factory=list)  # shot, seconds
    _not_checked: dict[str, str] = field(default_factory=dict)

    def look(
        self, shot: int, time_s: float, old: Frame, region: FrameRegion, new: Frame, new_region: FrameRegion
    ) -> None:
        """Read a frame of the template, (H, W, 3), and of the ad, and tell by their regions, (H, W), what is where."""
        if region.any():
            before = self._read(old)
            self._old += [seen for seen in before if _is_in(seen, region)]
            if not before:  # outside the region they are equal
                return
        self._left += [(shot, time_s, seen) for seen in self._read(new) if not _is_in(seen, new_region)]

    def check(self, film: Path) -> LeftoverCheck:
        """What is left; `film` is the one whose sound is kept."""
        shown: dict[tuple[int, str, str], list[float]] = {}
        contents: dict[tuple[int, str, str], str] = {}
        for shot, time, seen in self._left:
            if any(says_the_same(old, seen) for old in self._old):
                key = shot, seen.kind, "".join(_words(seen.content)) or seen.content
                shown.setdefault(key, []).append(round(time, 2))
                contents.setdefault(key, seen.content)
        found = [
            Leftover(
                kind="text" if key[1] == "text" else "code", content=contents[key], begin_s=times[0], end_s=times[-1]
            )
            for key, times in shown.items()
        ]
        for begin, end in self._try("speech", partial(hear_speech, film)):
            found.append(Leftover(kind="speech", content="", begin_s=round(begin, 2), end_s=round(end, 2)))
        ordered = sorted(found, key=lambda one: (one.begin_s, one.kind, one.content))
        return LeftoverCheck(found=tuple(ordered), not_checked=dict(sorted(self._not_checked.items())))

    def _read(self, frame: Frame) -> list[Seen]:
        return [*self._try("text", partial(read_texts, frame)), *self._try("code", partial(read_codes, frame))]

    def _try(self, kind: str, read: Callable[[], Sequence[Found]]) -> Sequence[Found]:
        """What a library finds; nothing, and why it is not checked, where it cannot."""
        if kind in self._not_checked:
            return ()
        try:
            return read()
        except ImportError:
            self._not_checked[kind] = NO_EXTRA
        except Exception as error:  # of whatever library: a warning that fails is no reason to lose a film
            self._not_checked[kind] = f"{type(error).__name__}: {first_line(error)}"
        return ()


def looks_of(span: ShotSpan, rate: Fraction) -> set[int]:
    """The numbers of a shot's frames that are looked at; `rate`: frames a second."""
    count = min(max(MIN_LOOKS, round(span.num_frames / rate)), MAX_LOOKS)
    return {round((place + 0.5) / count * span.num_frames - 0.5) for place in range(count)}


def says_the_same(one: Seen, other: Seen) -> bool:
    """Whether two texts share a word, as far as letters are read rightly; whether two codes are equal."""
    if one.kind != other.kind:
        return False
    if one.kind == "code":
        return one.content == other.content
    return any(_alike(left, right) for left in _words(one.content) for right in _words(other.content))


def _words(text: str) -> list[str]:
    """The words of a line that are long enough to mean something."""
    words = WORD.findall(text.casefold())
    return [word for word in words if len(word) >= (MIN_LETTERS if word.isascii() else MIN_IDEOGRAPHS)]


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if short in long and len(short) >= (MIN_CONTAINED if short.isascii() else MIN_IDEOGRAPHS):
        return True
    return SequenceMatcher(None, one, other).ratio() >= SAME_WORD


def _is_in(seen: Seen, region: FrameRegion) -> bool:
    height, width = region.shape
    x, y = seen.middle
    return bool(region[int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))])
