"""Votes on pairs of films, and what they come to.

<run>/votes/<rater>.jsonl    a `Vote` a line
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pvtt.records.base import Record
from pvtt.records.catalog import Sha256
from pvtt.records.ratings import RaterName

VOTES = "votes"  # a run's folder of votes

Choice = Literal["left", "right", "equal", "skip"]


class Vote(Record):
    """One click. A later vote of the same rater on the same pair replaces an earlier one."""

    schema_version: Literal[1] = 1
    rater: RaterName
    item: str = Field(min_length=1)  # the triplet whose films they are
    left: str = Field(min_length=1)  # the contender whose film was on the left
    right: str = Field(min_length=1)
    left_sha256: Sha256  # of the film itself: a vote does not count for one that was made anew
    right_sha256: Sha256
    again: bool = False  # the pair was shown a second time, with its sides changed
    choice: Choice
    voted_at: str  # ISO 8601, UTC

    @model_validator(mode="after")
    def _of_two(self) -> Self:
        if self.left == self.right:
            raise ValueError(f"both films are of {self.left}")
        return self

    @property
    def pair(self) -> tuple[str, str]:
        """Both contenders, in one order whatever side each was on."""
        return (self.left, self.right) if self.left < self.right else (self.right, self.left)

    @property
    def winner(self) -> str | None:
        """The contender whose film is better; None: they are equal, or the pair was skipped."""
        return {"left": self.left, "right": self.right}.get(self.choice)


class Figure(Record):
    """A figure with its 95 % interval over products; None where it is not measured, and why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = Field(default=0, ge=0)  # what it is of: votes, pairs, or contenders
    reason: str = ""  # why there is no value, or no interval


class ContenderVotes(Record):
    """How a contender did in the votes."""

    contender: str
    num_votes: int = Field(ge=0)
    strength: Figure  # log odds: 1.1 above another is about three wins to one; the mean over contenders is 0
    win_rate: Figure  # an equal is half a win


class PairVotes(Record):
    """The votes between two contenders."""

    first: str
    second: str
    first_wins: int = Field(ge=0)
    second_wins: int = Field(ge=0)
    equal: int = Field(ge=0)


class RaterVotes(Record):
    """One rater's votes, and how far they are to be believed."""

    rater: str
    num_votes: int = Field(ge=0)  # on pairs of contenders, once each
    num_skipped: int = Field(ge=0)
    num_repeated: int = Field(ge=0)
    consistency: float | None  # share of repeated pairs with the same vote; None: there is none
    num_truths: int = Field(ge=0)  # pairs with the true film
    truth_rate: float | None  # how often it won, an equal is half a win; None: there is no such pair
    counts: bool  # in the results


class MetricVotes(Record):
    """How far a metric ranks films as people do."""

    metric: str
    kendall: Figure  # tau-b over pairs of films
    spearman: Figure  # rho over contenders: mean figure against strength


class VoteSummary(Record):
    """What the votes of a run come to."""

    schema_version: Literal[1] = 1
    reason: str = ""  # why nothing is measured; empty where something is
    num_votes: int = Field(default=0, ge=0)  # that count
    num_raters: int = Field(default=0, ge=0)  # whose votes count
    num_pairs: int = Field(default=0, ge=0)  # pairs of films that were voted on
    num_items: int = Field(default=0, ge=0)  # triplets with a vote
    num_outdated: int = Field(default=0, ge=0)  # votes on films that are no longer in the run
    agreement: float | None = None  # of raters: Krippendorff's alpha; None: no pair has two raters
    contenders: tuple[ContenderVotes, ...] = ()
    pairs: tuple[PairVotes, ...] = ()
    raters: tuple[RaterVotes, ...] = ()
    metrics: tuple[MetricVotes, ...] = ()
