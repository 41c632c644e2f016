"""Whose outline a sample's shape gaps have: that of a training sample of another category."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Sequence

from pvtt.files.hashing import sha256_bytes
from pvtt.records.dataset import DatasetEntry


def gap_partners(entries: Sequence[DatasetEntry]) -> dict[str, DatasetEntry]:
    """For each training sample, by key, one of another category; none where all are of one.

    Consistent hashing: a further product changes the partner of few samples, so that few are encoded anew.
    """
    rings: dict[str, list[tuple[str, DatasetEntry]]] = defaultdict(list)
    training = [entry for entry in entries if entry.split == "train"]
    for entry in training:
        rings[entry.category].append((_hash(entry.key), entry))
    places: dict[str, list[str]] = {}
    for category, ring in rings.items():
        ring.sort(key=lambda one: one[0])
        places[category] = [place for place, _ in ring]
    partners = {}
    for entry in training:
        others = [category for category in rings if category != entry.category]
        if others:
            category = max(others, key=lambda other: _hash(f"{entry.key} {other}"))
            ring = rings[category]
            partners[entry.key] = ring[bisect(places[category], _hash(entry.key)) % len(ring)][1]
    return partners


def _hash(text: str) -> str:
    return sha256_bytes(text.encode())
