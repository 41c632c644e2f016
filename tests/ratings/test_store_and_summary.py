"""Ratings on disk, and the figure made of them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from pvtt.ratings.store import Rated, RatingStore
from pvtt.ratings.summary import summarise_ratings
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.ratings import Rating, Shown


def rating(product: str, score: int, rater: str = "ann", shown: Shown = "generated", again: bool = False) -> Rating:
    return Rating(
        run_id="run",
        rater=rater,
        product_id=product,
        clip_id="001",
        shown=shown,
        again=again,
        score=score,
        rated_at="2026-01-01T00:00:00+00:00",
    )


def sample(product: str, to_rate: bool = True, split: str = "test") -> EvaluatedSample:
    return EvaluatedSample(
        split=split,  # type: ignore[arg-type]
        product_id=product,
        clip_id="001",
        category="ring",
        caption="",
        swapped_product_id=None,
        photo_paths=(),
        to_rate=to_rate,
        videos={"generated": "videos/x.mp4"},
        metrics={},
    )


SAMPLES = [sample("P1"), sample("P2"), sample("P3"), sample("P4", to_rate=False), sample("P5", split="train")]


def test_every_click_is_a_line_and_the_last_counts(tmp_path: Path) -> None:
    store = RatingStore(tmp_path / "ratings" / "run.jsonl")
    assert store.latest() == {}
    for score in (2, 5, 4):
        store.append(rating("P1", score))
    store.append(rating("P1", 1, "bob"))
    assert len(store.path.read_text().splitlines()) == 4
    assert {key[:2]: value.score for key, value in store.latest().items()} == {
        ("ann", "P1_001"): 4,
        ("bob", "P1_001"): 1,
    }


def test_a_person_who_writes_the_name_otherwise_is_one_rater(tmp_path: Path) -> None:
    store = RatingStore(tmp_path / "run.jsonl")
    for name in ("ann lee", "Ann  Lee", " ANN LEE "):
        store.append(rating("P1", 3, name))
    assert list(store.latest()) == [Rated("ann lee", "P1_001")]


def test_lines_of_another_run_do_not_count(tmp_path: Path) -> None:
    store = RatingStore(tmp_path / "run.jsonl")
    store.append(rating("P1", 3))
    store.append(rating("P2", 5).model_copy(update={"run_id": "other"}))
    assert list(store.latest()) == [Rated("ann", "P1_001")]


def test_too_few_products_are_no_interval() -> None:
    ratings = [rating("P1", 5), rating("P2", 3), rating("P3", 1)]
    summary = summarise_ratings(ratings, SAMPLES, min_raters=1, min_products=5)
    assert (summary.status, summary.value, summary.num_videos) == ("too_few", None, 3)


def test_raters_at_the_same_time_do_not_mix_lines(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"

    def click(rater: str) -> None:
        store = RatingStore(path)
        for number in range(50):
            store.append(rating(f"P{number}", 3, rater))

    threads = [threading.Thread(target=click, args=(name,)) for name in ("ann", "bob", "cleo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(RatingStore(path).latest()) == 150


def test_a_click_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    store = RatingStore(tmp_path / "run.jsonl")
    store.append(rating("P1", 2))
    with store.path.open("a") as file:
        file.write(rating("P2", 3).to_json()[:50])
    assert [value.score for value in store.latest().values()] == [2]
    store.append(rating("P2", 4))
    assert [value.score for value in store.latest().values()] == [2, 4]


def test_the_mean_of_the_videos_means() -> None:
    ratings = [rating("P1", 5), rating("P1", 4, "bob"), rating("P2", 3), rating("P3", 1), rating("P5", 5)]
    summary = summarise_ratings(ratings, SAMPLES, min_raters=1)
    assert summary.value == pytest.approx((4.5 + 3 + 1) / 3)
    assert summary.low is not None
    assert summary.low <= summary.value
    assert (summary.num_videos, summary.num_raters, summary.num_ratings) == (3, 2, 4)
    assert summary.agreement is not None


def test_controls_and_repeats_are_told_and_are_no_part_of_the_mean() -> None:
    ratings = [
        *(rating(product, score) for product, score in (("P1", 5), ("P2", 3), ("P3", 1))),
        rating("P1", 5, shown="ground_truth"),
        rating("P2", 1, shown="mean_fill"),
        rating("P3", 3, again=True),
        rating("P9", 5, again=True),  # of a video that is no longer there
    ]
    summary = summarise_ratings(ratings, SAMPLES, min_raters=1)
    assert (summary.value, summary.num_ratings) == (3, 3)
    controls = summary.controls
    assert (controls.ground_truth, controls.mean_fill, controls.unreliable) == (5, 1, ())
    assert (controls.num_repeated, controls.repeat_difference) == (1, 2)


def test_who_rates_one_colour_as_high_as_the_truth_does_not_count() -> None:
    looked = [rating(product, 2) for product in ("P1", "P2", "P3")]
    clicked = [rating(product, 5, "bob") for product in ("P1", "P2", "P3")]
    controls = [
        rating("P1", 4, shown="ground_truth"),
        rating("P2", 3, shown="mean_fill"),
        rating("P1", 5, "bob", "ground_truth"),
        rating("P2", 5, "bob", "mean_fill"),
    ]
    summary = summarise_ratings([*looked, *clicked, *controls], SAMPLES, min_raters=1)
    assert summary.controls.unreliable == ("bob",)
    assert (summary.value, summary.num_raters) == (2, 1)
    assert summarise_ratings([*looked, *clicked, *controls], SAMPLES, min_raters=2).status == "not_measured"
    assert summarise_ratings([*looked, *clicked, *controls[:3]], SAMPLES, min_raters=2).value == 3.5


def test_transfers_count_with_the_test_videos_and_are_told_apart() -> None:
    transfer = sample("P1").model_copy(update={"clip_id": "900", "track": "transfer"})
    of_transfer = rating("P1", 2).model_copy(update={"clip_id": "900"})
    ratings = [rating("P1", 5), rating("P2", 5), rating("P3", 5)]
    assert summarise_ratings(ratings, [*SAMPLES, transfer], min_raters=1).status == "not_measured"
    summary = summarise_ratings([*ratings, of_transfer], [*SAMPLES, transfer], min_raters=1)
    assert summary.of_part == {"test": 5, "transfer": 2}
    assert summary.value == pytest.approx(17 / 4)


@pytest.mark.parametrize(
    ("ratings", "min_raters"),
    [([], 1), ([rating("P1", 5), rating("P2", 5)], 1), ([rating(f"P{number}", 5) for number in (1, 2, 3)], 2)],
)
def test_ratings_of_some_videos_or_too_few_raters_are_not_a_measurement(ratings: list[Rating], min_raters: int) -> None:
    summary = summarise_ratings(ratings, SAMPLES, min_raters)
    assert summary.status == "not_measured"
    assert summary.value is None
    assert summary.num_videos_to_rate == 3


@pytest.mark.parametrize(
    "change", [{"score": 0}, {"score": 6}, {"rater": "../x"}, {"rater": ""}, {"product_id": "a/b"}]
)
def test_nonsense_is_no_rating(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rating.model_validate(rating("P1", 3).model_dump() | change)
