"""Votes on disk, and what they come to."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from pvtt.errors import PvttError
from pvtt.ratings.pairs import TRUTH, Contest, Film
from pvtt.ratings.vote_store import VoteStore
from pvtt.ratings.vote_summary import summarise_votes
from pvtt.records.votes import Choice, Vote

CONTENDERS = ("model", "paste", "inpaint")
STRENGTHS = {"model": 1.0, "paste": 0.0, "inpaint": -1.0}


def sha(contender: str, item: str) -> str:
    return f"{CONTENDERS.index(contender) if contender in CONTENDERS else 9}{item.removeprefix('T'):0>63}"


def contest(number: int) -> Contest:
    item = f"T{number}"
    return Contest(item, f"P{number}", {one: Film(Path(one), sha(one, item)) for one in (*CONTENDERS, TRUTH)}, ())


CONTESTS = [contest(number) for number in range(24)]


def vote(rater: str, item: str, left: str, right: str, choice: Choice, again: bool = False) -> Vote:
    return Vote(
        rater=rater,
        item=item,
        left=left,
        right=right,
        left_sha256=sha(left, item),
        right_sha256=sha(right, item),
        again=again,
        choice=choice,
        voted_at="2026-01-01T00:00:00+00:00",
    )


def simulated(raters: int, seed: int = 0) -> list[Vote]:
    """Every rater on every pair, by Davidson's model, on either side."""
    random, found = np.random.default_rng(seed), []
    for rater in range(raters):
        for one in CONTESTS:
            for pair in combinations(CONTENDERS, 2):
                left, right = pair if random.random() < 0.5 else pair[::-1]
                a, b = STRENGTHS[left], STRENGTHS[right]
                weights = np.exp([a, b, (a + b) / 2])
                choices: tuple[Choice, ...] = ("left", "right", "equal")
                choice = choices[random.choice(3, p=weights / weights.sum())]
                found.append(vote(f"rater {rater}", one.item, left, right, choice))
    return found


def test_simulated_voters_give_their_strengths_and_rates() -> None:
    summary = summarise_votes(simulated(3), CONTESTS, CONTENDERS)
    assert (summary.num_votes, summary.num_raters, summary.num_pairs, summary.num_items) == (216, 3, 72, 24)
    for one in summary.contenders:
        low, high = one.strength.low, one.strength.high
        assert low is not None
        assert high is not None
        assert low < STRENGTHS[one.contender] < high
        assert one.num_votes == 144
    model = summary.contenders[0]
    wins = sum(
        found.first_wins if found.first == "model" else found.second_wins
        for found in summary.pairs
        if "model" in (found.first, found.second)
    )
    equal = sum(found.equal for found in summary.pairs if "model" in (found.first, found.second))
    assert model.win_rate.value == pytest.approx((wins + equal / 2) / 144)
    assert summary.agreement is not None
    assert 0 < summary.agreement < 1


def test_raters_who_agree_have_an_agreement_of_one_whoever_is_named_first() -> None:
    ann = [vote("ann", one.item, "model", "paste", "left") for one in CONTESTS]
    bob = [vote("bob", one.item, "paste", "model", "right") for one in CONTESTS]
    assert summarise_votes([*ann, *bob], CONTESTS, CONTENDERS).agreement == 1
    against = [one.model_copy(update={"choice": "left"}) for one in bob]
    agreement = summarise_votes([*ann, *against], CONTESTS, CONTENDERS).agreement
    assert agreement is not None
    assert agreement < 0
    assert summarise_votes(ann, CONTESTS, CONTENDERS).agreement is None


def test_who_does_not_prefer_true_films_does_not_count() -> None:
    def truths(rater: str, choice: Choice, count: int) -> list[Vote]:
        return [vote(rater, one.item, TRUTH, "model", choice) for one in CONTESTS[:count]]

    plain = [vote(rater, "T0", "model", "paste", "left") for rater in ("ann", "bob", "eve")]
    given = [*plain, *truths("ann", "left", 4), *truths("bob", "equal", 4), *truths("eve", "right", 2)]
    summary = summarise_votes(given, CONTESTS, CONTENDERS)
    assert {one.rater: (one.counts, one.truth_rate) for one in summary.raters} == {
        "ann": (True, 1),
        "bob": (False, 0.5),
        "eve": (True, 0),  # of two alone
    }
    assert summary.num_votes == 2
    alone = summarise_votes([plain[1], *truths("bob", "right", 3)], CONTESTS, CONTENDERS)
    assert alone.reason == "no rater counts: none prefers the true films"


def test_repeats_give_consistency_and_no_votes() -> None:
    given = [
        vote("ann", "T0", "model", "paste", "left"),
        vote("ann", "T0", "paste", "model", "right", again=True),  # the same film
        vote("ann", "T1", "model", "paste", "left"),
        vote("ann", "T1", "paste", "model", "left", again=True),  # the same side
        vote("ann", "T2", "model", "paste", "skip"),
        vote("ann", "T2", "paste", "model", "left", again=True),
    ]
    summary = summarise_votes(given, CONTESTS, CONTENDERS)
    (ann,) = summary.raters
    assert (ann.num_repeated, ann.consistency, ann.num_skipped, ann.num_votes) == (2, 0.5, 1, 2)
    assert summary.num_votes == 2


def test_votes_on_other_films_do_not_count() -> None:
    good = vote("ann", "T0", "model", "paste", "left")
    others = [
        good.model_copy(update={"item": "T1"}),
        good.model_copy(update={"rater": "bob", "left_sha256": "f" * 64}),
        good.model_copy(update={"rater": "eve", "left": "someone"}),
    ]
    summary = summarise_votes([good, *others], CONTESTS, CONTENDERS)
    assert (summary.num_votes, summary.num_outdated) == (1, 3)
    assert summarise_votes(others, CONTESTS, CONTENDERS).reason == "all votes are on films that were made anew since"


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ([], "nobody has voted"),
        ([vote("ann", "T0", "model", "paste", "skip")], "nobody has voted on two contenders but to skip them"),
    ],
)
def test_nothing_measured_says_why(votes: list[Vote], reason: str) -> None:
    summary = summarise_votes(votes, CONTESTS, CONTENDERS)
    assert (summary.reason, summary.contenders, summary.num_votes) == (reason, (), 0)


def test_what_votes_do_not_reach_is_not_measured_and_one_product_has_no_interval() -> None:
    summary = summarise_votes([vote("ann", "T0", "model", "paste", "left")], CONTESTS, CONTENDERS)
    model, paste, rest = summary.contenders
    assert model.strength.value is not None
    assert (model.strength.low, model.strength.reason) == (None, "too few products for an interval")
    assert (model.win_rate.value, paste.win_rate.value) == (1, 0)
    assert (rest.strength.value, rest.strength.reason) == (None, "no votes")


def test_every_click_is_a_line_of_its_rater_and_the_last_counts(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "votes")
    assert store.latest() == {}
    for choice in ("left", "equal"):
        store.append(vote("ann", "T0", "model", "paste", choice))
    store.append(vote("ann", "T0", "paste", "model", "right"))  # sides are no matter
    store.append(vote("bob", "T0", "model", "paste", "skip"))
    assert [len(path.read_text().splitlines()) for path in sorted(store.folder.iterdir())] == [3, 1]
    assert {voted.rater: found.choice for voted, found in store.latest().items()} == {"ann": "right", "bob": "skip"}
    assert [found.winner for found in store.latest_of("ann").values()] == ["model"]


def test_a_click_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    store = VoteStore(tmp_path)
    store.append(vote("ann", "T0", "model", "paste", "left"))
    with store.path("ann").open("a") as file:
        file.write(vote("ann", "T1", "model", "paste", "left").to_json()[:70])
    assert len(store.latest()) == 1
    store.append(vote("ann", "T2", "model", "paste", "left"))
    assert [voted.item for voted in store.latest()] == ["T0", "T2"]
    store.path("ann").write_text('{"rater": "ann"}\n')
    with pytest.raises(PvttError, match=r"jsonl:1: not a Vote"):
        store.latest()


def test_raters_have_files_of_their_own_whatever_their_names(tmp_path: Path) -> None:
    store = VoteStore(tmp_path)
    names = ["ann", "ann.", "an n", "a@b.c", "𝓪" * 64, "你好", "_"]
    paths = {store.path(name) for name in names}
    assert len(paths) == len(names)
    for name in names:
        store.append(vote(name, "T0", "model", "paste", "left"))
    assert {voted.rater for voted in store.latest()} == set(names)
    assert set(tmp_path.iterdir()) == paths


@pytest.mark.parametrize(
    "change", [{"choice": "both"}, {"rater": "../x"}, {"right": "model"}, {"left_sha256": "x"}, {"score": 3}]
)
def test_nonsense_is_no_vote(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Vote.model_validate(vote("ann", "T0", "model", "paste", "left").model_dump() | change)
