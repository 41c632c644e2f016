"""What a rater sees, and in which order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from pvtt.ratings.queue import Showing, in_order, showings, williams_row
from pvtt.records.evaluation import EvaluatedSample

VIDEOS = {name: f"{name}.mp4" for name in ("generated", "ground_truth", "mean_fill", "mask")}


def sample(number: int, videos: dict[str, str] = VIDEOS, **others: object) -> EvaluatedSample:
    values = {
        "split": "test",
        "product_id": f"P{number}",
        "clip_id": "001",
        "category": "ring",
        "caption": "",
        "swapped_product_id": None,
        "photo_paths": (),
        "to_rate": True,
        "videos": videos,
        "metrics": {},
    }
    return EvaluatedSample.model_validate(values | others)


def kinds(found: list[Showing]) -> Counter[str]:
    return Counter(one.shown for one in found)


@pytest.mark.parametrize("size", [2, 5, 8, 13])
def test_over_the_raters_each_video_stands_in_each_place_and_after_each_other_equally_often(size: int) -> None:
    rows = [williams_row(size, row) for row in range(size if size % 2 == 0 else 2 * size)]
    repeats = len(rows) // size
    assert all(sorted(row) == list(range(size)) for row in rows)
    assert set(Counter((row[place], place) for row in rows for place in range(size)).values()) == {repeats}
    after = Counter(pair for row in rows for pair in pairwise(row))
    assert len(after) == size * (size - 1)
    assert set(after.values()) == {repeats}
    assert williams_row(size, 2 * size) == williams_row(size, 0)


def test_an_empty_queue_is_empty() -> None:
    assert williams_row(0, 3) == []
    assert showings("run", []) == []
    assert in_order([], 0) == []


def test_truths_and_fills_are_hidden_among_the_videos() -> None:
    once = showings("run", [sample(number) for number in range(8)])
    assert kinds(once) == {"generated": 8, "ground_truth": 2, "mean_fill": 2}
    truths, fills = ({one.sample.key for one in once if one.shown == shown} for shown in ("ground_truth", "mean_fill"))
    assert not truths & fills
    tokens = [one.token("run") for one in once]
    assert len(set(tokens)) == len(tokens)
    assert tokens == sorted(tokens)


def test_what_is_not_to_rate_is_not_shown() -> None:
    samples = [sample(0), sample(1, to_rate=False), sample(2, split="train"), sample(3, videos={})]
    once = showings("run", samples)
    assert {one.sample.key for one in once} == {"P0_001"}
    assert not any(one.again for one in in_order(once, 0))  # one after itself says nothing


def test_without_films_for_controls_there_are_none() -> None:
    once = showings("run", [sample(number, {"generated": "a.mp4"}) for number in range(4)])
    assert kinds(once) == {"generated": 4}


@pytest.mark.parametrize("num_samples", [4, 16])
def test_a_quarter_comes_a_second_time_long_after_the_first(num_samples: int) -> None:
    once = showings("run", [sample(number) for number in range(num_samples)])
    for rater in range(2 * len(once)):
        order = in_order(once, rater)
        repeated = [one for one in order if one.again]
        assert order[: len(once)] == [once[place] for place in williams_row(len(once), rater)]
        assert order[len(once) :] == repeated
        assert kinds(repeated) == {"generated": num_samples // 4}
        first = {one.sample.key: place for place, one in enumerate(order) if one.shown == "generated" and not one.again}
        assert all(place - first[one.sample.key] >= num_samples // 2 for place, one in enumerate(order) if one.again)
