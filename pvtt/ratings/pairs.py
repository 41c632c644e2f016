"""Which two films a rater sees side by side, and in which order.

Every two contenders meet once on every sample, in rounds: a round has one pair of each sample, and each pair of
contenders about equally often, so that a rater who stops after any round has seen all in balance. Raters start at
different places. Sides are at random, and balanced: each two contenders change sides from one sample to the next, and
each contender stands on the left as often as on the right.

Hidden among them, one of each kind to eight pairs, are checks of the rater:

- a pair from before with its sides changed: a person who looks well votes the same again;
- the true film beside a contender's, where there is one: such a person prefers it.

Films that are the same to the byte are never shown beside each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from pvtt.files.hashing import sha256_json
from pvtt.ratings.vote_store import Voted
from pvtt.records.votes import Choice

TRUTH = "ground_truth"  # the true film's name among the contenders
BLOCK = 8  # pairs to a check of each kind
SWAPPED: dict[Choice, Choice] = {"left": "right", "right": "left", "equal": "equal", "skip": "skip"}


@dataclass(frozen=True)
class Film:
    """A film, and the hash of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Contest:
    """A sample of which contenders made films.

    Args:
        item: Its name.
        product_id: Whose samples hang together.
        films: Of each contender, and under `TRUTH` the true one where it is known.
        photos: Of the product that the films should show.
    """

    item: str
    product_id: str
    films: dict[str, Film]
    photos: tuple[Path, ...]

    def differ(self, one: str, other: str) -> bool:
        """Whether both have a film of it, and another."""
        return one in self.films and other in self.films and self.films[one].sha256 != self.films[other].sha256


@dataclass(frozen=True)
class Pair:
    """Two films of a sample, side by side.

    Args:
        contest: The sample.
        left: Whose film is on the left.
        right: Whose is on the right.
        again: The pair is shown a second time.
    """

    contest: Contest
    left: str
    right: str
    again: bool = False

    @property
    def films(self) -> tuple[Film, Film]:
        """The left one and the right one."""
        return self.contest.films[self.left], self.contest.films[self.right]

    @property
    def token(self) -> str:
        """Stands for it in addresses, and tells nothing of it."""
        shown = [(self.left, self.films[0].sha256), (self.right, self.films[1].sha256)]
        return sha256_json([self.contest.item, shown, self.again])[:16]

    def voted(self, rater: str) -> Voted:
        """What a vote on it is kept by, whatever the sides."""
        first, second = sorted((self.left, self.right))
        return Voted(rater, self.contest.item, (first, second), self.again)


def in_order(contests: Sequence[Contest], contenders: Sequence[str], rater: str) -> list[Pair]:
    """A rater's queue, the same whenever they come back.

    Args:
        contests: The samples.
        contenders: Who is compared, without `TRUTH`.
        rater: Their name.
    """
    pairs = list(_pairs(contests, sorted(contenders), rater))
    checks = [
        (contest, contender)
        for contest in contests
        for contender in contenders
        if TRUTH in contest.films and contest.differ(contender, TRUTH)
    ]
    truths = sorted(checks, key=lambda one: _drawn(rater, "truth", one[0].item, one[1]))
    queue: list[Pair] = []
    before: list[Pair] = []
    for number, start in enumerate(range(0, len(pairs), BLOCK)):
        block = pairs[start : start + BLOCK]
        shown = list(block)
        if number < len(truths):
            contest, contender = truths[number]
            sides = (TRUTH, contender) if _bit(rater, "side", number // 2) == number % 2 else (contender, TRUTH)
            _insert(shown, Pair(contest, *sides), rater, number)
        if before:
            early = before[: max(1, len(before) // 2)]  # so that the first time is some pairs ago
            _insert(shown, _again(early[_drawn(rater, "again", number) % len(early)]), rater, number)
        queue += shown
        before = block
    if len(before) > 1:
        queue.append(_again(before[0]))
    return queue


def every_pair(contests: Sequence[Contest], contenders: Sequence[str]) -> Iterator[Pair]:
    """All that any rater may be shown, on either side and again."""
    for contest in contests:
        for one, other in combinations([*contenders, TRUTH], 2):
            if contest.differ(one, other):
                for left, right in ((one, other), (other, one)):
                    yield Pair(contest, left, right)
                    if other != TRUTH:
                        yield Pair(contest, left, right, again=True)


def _pairs(contests: Sequence[Contest], contenders: Sequence[str], rater: str) -> Iterator[Pair]:
    places = sorted(contests, key=lambda contest: _drawn(rater, "place", contest.item))
    pairs = list(combinations(range(len(contenders)), 2))
    pairs.sort(key=lambda pair: _drawn(rater, "pair", contenders[pair[0]], contenders[pair[1]]))
    seen: Counter[tuple[int, int]] = Counter()
    for turn in range(len(pairs)):
        found = []
        for place, contest in enumerate(places):
            first, second = pairs[(place + turn) % len(pairs)]
            one, other = contenders[first], contenders[second]
            if contest.differ(one, other):
                is_turned = (first + second + seen[first, second] + _bit(rater, "sides")) % 2
                seen[first, second] += 1
                found.append(Pair(contest, *((other, one) if is_turned else (one, other))))
        yield from sorted(found, key=lambda pair: _drawn(rater, "order", pair.contest.item, pair.left, pair.right))


def _again(pair: Pair) -> Pair:
    return Pair(pair.contest, pair.right, pair.left, again=True)


def _insert(shown: list[Pair], pair: Pair, rater: str, number: int) -> None:
    shown.insert(_drawn(rater, "where", number, pair.again) % (len(shown) + 1), pair)


def _drawn(*parts: object) -> int:
    """A number that follows from these parts, and looks random."""
    return int(sha256_json(list(parts))[:16], 16)


def _bit(*parts: object) -> int:
    return _drawn(*parts) % 2
