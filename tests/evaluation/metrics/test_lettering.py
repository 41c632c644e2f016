"""Lettering is read by the real reader, and a lost letter counts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pvtt.evaluation.metrics.lettering import edit_distance, load_reader, read_product


@pytest.mark.parametrize(
    ("given", "expected", "distance"),
    [
        ("AURELIA", "AURELIA", 0),
        ("AURELA", "AURELIA", 1 / 7),
        ("", "AURELIA", 1),
        ("kitten", "sitting", 3 / 7),
        ("", "", 0),
    ],
)
def test_edits_are_counted_over_the_longer_text(given: str, expected: str, distance: float) -> None:
    assert edit_distance(given, expected) == pytest.approx(distance)
    assert edit_distance(expected, given) == pytest.approx(distance)


def labelled(text: str) -> tuple[np.ndarray, np.ndarray]:
    """A small label on a grey ground, and where it is."""
    video = np.full((2, 96, 192, 3), 90, np.uint8)
    region = np.zeros(video.shape[:3], np.bool_)
    region[:, 24:72, 24:168] = True
    video[region] = (240, 235, 220)
    for frame in video:
        cv2.putText(frame, text, (32, 58), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (20, 20, 40), 2, cv2.LINE_AA)
    return video, region


def test_a_label_is_read_and_another_is_not_the_same() -> None:
    reader = load_reader()
    if reader is None:
        pytest.skip("the extra `leftovers` is not installed")
    first, region = labelled("AURELIA")
    other, _ = labelled("NORDWIND")
    read = read_product(first, region, reader)
    assert read == "AURELIA"
    given = read_product(other, region, reader)
    assert given is not None
    assert edit_distance(given, read) > 0.5
    assert read_product(first, ~region & False, reader) is None
    assert read_product(np.full_like(first, 120), region, reader) == ""
