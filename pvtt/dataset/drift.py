"""How far the masks' areas moved since the last committed version of the data: another segmenter, another kind of shop.

`metrics/validate.json` has how many masks cover how much of the frame, and Git keeps what earlier versions had. The
distance is Kolmogorov's and Smirnov's: the largest difference between the shares of masks up to an area. What chance
explains is taken off, so that few masks raise no alarm.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate

from pvtt.errors import PvttError
from pvtt.files.git import commits_of, committed_bytes
from pvtt.files.workspace import Workspace

METRICS = "metrics/validate.json"
FIELD = "mask_area"
EDGES = (0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90)  # percent of a frame
NUM_VERSIONS = 20  # looked back, at most
CHANCE = 1.63  # times √(1/n + 1/m): two samples of one population are farther apart once in a hundred

Histogram = dict[str, int]  # the lower edge, in percent of the frame → masks


@dataclass(frozen=True)
class Drift:
    """Against an earlier version.

    Attributes:
        commit: Of that version; None where there is none.
        distance: Kolmogorov's and Smirnov's, 0 to 1.
        beyond_chance: How much of it chance does not explain; None where there is nothing to compare with.
    """

    commit: str | None = None
    distance: float = 0.0
    beyond_chance: float | None = None

    @property
    def says(self) -> str:
        """In one line for a person."""
        if self.commit is None:
            return "mask areas: no earlier version is committed that could be compared"
        return f"mask areas: {self.distance:.3f} from those of {self.commit[:12]} (Kolmogorov-Smirnov)"


def histogram(areas: Iterable[float]) -> Histogram:
    """How many masks cover how much: mean areas as a share of the frame, 0 to 1."""
    counts = [0] * len(EDGES)
    for area in areas:
        counts[bisect_right(EDGES, 100 * area) - 1] += 1
    return {f"{edge:g}%": count for edge, count in zip(EDGES, counts, strict=True)}


def compare(now: Histogram, before: Histogram) -> tuple[float, float]:
    """The distance of two histograms, and how much of it chance does not explain."""
    here, there = sum(now.values()), sum(before.values())
    if not here or not there:
        return 0.0, 0.0
    shares = zip(accumulate(now.values()), accumulate(before.values()), strict=True)
    distance = max(abs(one / here - other / there) for one, other in shares)
    return distance, max(0.0, distance - CHANCE * math.sqrt(1 / here + 1 / there))


def drift(workspace: Workspace, now: Histogram) -> Drift:
    """Compare with the last committed version that has other masks, so that committing this one changes nothing."""
    commits: list[str] = []
    with suppress(PvttError):  # no Git, no versions
        commits = commits_of(workspace.root, METRICS, NUM_VERSIONS)
    for commit in commits:
        before = _parse(committed_bytes(workspace.root, METRICS, commit))
        if before is not None and before != now:
            return Drift(commit, *compare(now, before))
    return Drift()


def _parse(text: bytes | None) -> Histogram | None:
    """The histogram of a metrics file; None where it is of another version of the project, or damaged."""
    try:
        found = json.loads(text or b"")[FIELD]
        counts = {f"{edge:g}%": found[f"{edge:g}%"] for edge in EDGES}
    except (ValueError, KeyError, TypeError):
        return None
    sound = len(found) == len(counts) and all(type(count) is int and count >= 0 for count in counts.values())
    return counts if sound and any(counts.values()) else None
