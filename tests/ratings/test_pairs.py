"""Which pairs a rater sees, on which sides, and in which order."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from pvtt.ratings.pairs import BLOCK, TRUTH, Contest, Film, Pair, every_pair, in_order

CONTENDERS = ("model", "paste", "inpaint", "mean_fill")


def contest(number: int, names: tuple[str, ...] = (*CONTENDERS, TRUTH)) -> Contest:
    films = {name: Film(Path(f"{name}.mp4"), f"{name} {number}") for name in names}
    return Contest(f"triplet {number}", f"product {number}", films, ())


CONTESTS = [contest(number) for number in range(12)]


def plain(queue: list[Pair]) -> list[Pair]:
    return [pair for pair in queue if not pair.again and TRUTH not in (pair.left, pair.right)]


def test_every_two_contenders_meet_once_on_every_sample() -> None:
    for rater in ("ann", "bob"):
        met = Counter(
            (pair.contest.item, *sorted((pair.left, pair.right)))
            for pair in plain(in_order(CONTESTS, CONTENDERS, rater))
        )
        assert set(met.values()) == {1}
        assert len(met) == 12 * 6


@pytest.mark.parametrize("rater", ["ann", "bob", "eve", "kim", "zoë"])
def test_sides_are_balanced_and_a_round_has_each_two_equally_often(rater: str) -> None:
    queue = plain(in_order(CONTESTS, CONTENDERS, rater))
    sides = Counter((pair.left, pair.right) for pair in queue)
    for one, other in combinations(CONTENDERS, 2):
        assert sides[one, other] == sides[other, one] == 6
    for turn in range(6):
        found = queue[12 * turn : 12 * (turn + 1)]
        assert len({pair.contest.item for pair in found}) == 12
        assert set(Counter(frozenset((pair.left, pair.right)) for pair in found).values()) == {2}


def test_sides_are_balanced_where_samples_are_odd() -> None:
    lefts = Counter(pair.left for pair in plain(in_order(CONTESTS[:1], CONTENDERS, "ann")))
    assert max(lefts[name] for name in CONTENDERS) <= 2


def test_an_order_is_a_raters_own_and_stays() -> None:
    ann, bob = (in_order(CONTESTS, CONTENDERS, rater) for rater in ("ann", "bob"))
    assert ann == in_order(CONTESTS, CONTENDERS, "ann")
    assert ann == in_order(CONTESTS, CONTENDERS[::-1], "ann")
    assert [pair.contest.item for pair in ann] != [pair.contest.item for pair in bob]


def test_repeats_have_their_sides_changed_and_come_some_pairs_later() -> None:
    queue = in_order(CONTESTS, CONTENDERS, "ann")
    repeats = [(place, pair) for place, pair in enumerate(queue) if pair.again]
    assert len(repeats) == 12 * 6 / BLOCK
    for place, pair in repeats:
        first = queue.index(Pair(pair.contest, pair.right, pair.left))
        assert place - first > BLOCK // 2


def test_true_films_are_hidden_all_along_on_either_side() -> None:
    sides: Counter[bool] = Counter()
    for rater in ("ann", "bob", "eve", "kim"):
        queue = in_order(CONTESTS, CONTENDERS, rater)
        places = [place for place, pair in enumerate(queue) if TRUTH in (pair.left, pair.right)]
        assert len(places) == 12 * 6 / BLOCK
        assert places[0] < 2 * BLOCK
        assert places[-1] > len(queue) - 2 * BLOCK
        assert (
            len({(pair.contest.item, pair.left, pair.right) for pair in queue if TRUTH in (pair.left, pair.right)}) == 9
        )
        sides.update(pair.left == TRUTH for pair in queue if TRUTH in (pair.left, pair.right))
    assert abs(sides[True] - sides[False]) <= 4


def test_without_a_truth_there_is_none() -> None:
    queue = in_order([contest(number, CONTENDERS) for number in range(3)], CONTENDERS, "ann")
    assert not any(TRUTH in (pair.left, pair.right) for pair in queue)
    assert any(pair.again for pair in queue)


def test_films_that_are_the_same_or_missing_are_not_compared() -> None:
    one = contest(0)
    same = Contest("same", "P", one.films | {"paste": one.films["model"], TRUTH: one.films["inpaint"]}, ())
    del same.films["mean_fill"]
    shown = {frozenset((pair.left, pair.right)) for pair in every_pair([same], CONTENDERS)}
    pairs = [("model", "inpaint"), ("paste", "inpaint"), ("model", TRUTH), ("paste", TRUTH)]
    assert shown == {frozenset(pair) for pair in pairs}
    assert len(plain(in_order([same], CONTENDERS, "ann"))) == 2


def test_every_pair_of_any_queue_is_known_by_its_token() -> None:
    tokens = [pair.token for pair in every_pair(CONTESTS, CONTENDERS)]
    assert len(set(tokens)) == len(tokens)
    for rater in ("ann", "bob", ""):
        assert {pair.token for pair in in_order(CONTESTS, CONTENDERS, rater)} <= set(tokens)


@pytest.mark.parametrize(("num", "contenders"), [(0, CONTENDERS), (3, ()), (3, ("model",))])
def test_nothing_to_compare_is_an_empty_queue(num: int, contenders: tuple[str, ...]) -> None:
    assert in_order(CONTESTS[:num], contenders, "ann") == []


def test_two_contenders_on_one_sample_are_one_pair() -> None:
    queue = in_order(CONTESTS[:1], CONTENDERS[:2], "ann")
    assert len(plain(queue)) == 1
    assert not any(pair.again for pair in queue)  # one after itself says nothing
