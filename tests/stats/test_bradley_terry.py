"""Strengths from votes, held against voters whose strengths are known and against closed forms."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pvtt.stats.bradley_terry import Duel, bradley_terry, connected

NAMES = ["model", "paste", "inpaint", "fill"]
TRUE = np.array([1.2, 0.3, -0.3, -1.2])


def votes(random: np.random.Generator, products: int, raters: int, tie: float, spread: float) -> list[Duel]:
    """Of voters by Davidson's model; `spread` is how far a product's own strengths are from the mean ones."""
    found = []
    for product in range(products):
        own = TRUE + random.normal(scale=spread, size=len(TRUE))
        for i, j in combinations(range(len(NAMES)), 2):
            weights = np.array([np.exp(own[i]), np.exp(own[j]), tie * np.exp((own[i] + own[j]) / 2)])
            for outcome in random.choice(3, p=weights / weights.sum(), size=raters):
                found.append(Duel(NAMES[i], NAMES[j], (1, -1, 0)[outcome], str(product)))
    return found


@pytest.mark.parametrize(
    ("products", "raters", "tie", "spread"), [(24, 2, 0.7, 0.0), (8, 2, 0.7, 0.5), (24, 1, 3.0, 0.5), (24, 1, 0.0, 0.0)]
)
def test_known_strengths_are_in_their_intervals(products: int, raters: int, tie: float, spread: float) -> None:
    random = np.random.default_rng(5)
    hits, off = 0, np.zeros(len(NAMES))
    for run in range(25):
        found = bradley_terry(votes(random, products, raters, tie, spread), NAMES, resamples=300, seed=run)
        for place, name in enumerate(NAMES):
            low, high = found[name].low, found[name].high
            hits += low is not None and high is not None and low <= TRUE[place] <= high
            off[place] += found[name].value - TRUE[place]
    assert hits / 100 >= 0.9
    assert np.abs(off / 25).max() < 0.2  # many ties do not draw them together


def test_two_contenders_have_the_log_odds_of_their_votes() -> None:
    duels = [Duel("a", "b", result, str(number)) for number, result in enumerate([1] * 300 + [-1] * 100)]
    found = bradley_terry(duels, ["a", "b"])
    assert found["a"].value - found["b"].value == pytest.approx(np.log(3), abs=0.02)
    assert found["a"].value == pytest.approx(-found["b"].value)


def test_sides_and_order_of_votes_are_nothing() -> None:
    duels = votes(np.random.default_rng(0), 6, 1, 0.5, 0.0)
    turned = [Duel(one.second, one.first, -one.result, one.cluster) for one in reversed(duels)]
    assert bradley_terry(turned, NAMES) == bradley_terry(duels, NAMES)


def test_who_wins_every_vote_has_a_wide_interval_and_no_infinity() -> None:
    found = bradley_terry([Duel("a", "b", 1, str(number)) for number in range(24)], ["a", "b"])
    low, high = found["a"].low, found["a"].high
    assert low is not None
    assert high is not None
    assert 0 < low < found["a"].value < high < 10
    assert high - low > 1


def test_one_product_gives_no_interval() -> None:
    found = bradley_terry([Duel("a", "b", 1, "P1")] * 5, ["a", "b"])
    assert found["a"].value > 0
    assert (found["a"].low, found["a"].high) == (None, None)
    with pytest.raises(ValueError, match="no votes"):
        bradley_terry([], ["a", "b"])


def test_strengths_are_of_one_group_that_votes_connect() -> None:
    duels = [Duel("a", "b", 1, "P1"), Duel("c", "d", 1, "P1"), Duel("d", "e", 0, "P2")]
    assert connected(duels, list("abcdef")) == ["c", "d", "e"]
    assert connected(duels[:2], list("abcd")) == ["a", "b"]
    assert connected([], list("ab")) == []
