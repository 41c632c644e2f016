"""What each score is called and means, for people, in the groups that tables show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from pvtt.evaluation.contenders.contender import Contender
from pvtt.evaluation.metrics.metric import Group, Metric
from pvtt.evaluation.scores import all_scores
from pvtt.records.parts import Part


def meanings(routes: Sequence[Contender] = ()) -> dict[str, Metric]:
    """What each score says, by its name; with those of `routes`, contenders beside those of every run."""
    return {score.name: score for score in all_scores(routes=routes)}


def groups(part: Part | None = None, routes: Sequence[Contender] = ()) -> dict[str, tuple[Metric, ...]]:
    """The scores of each group, in the order of tables; only what is measured in `part` where that is given.

    Argument `routes` as of `meanings`.
    """
    scores = all_scores(part, routes)
    return {group: tuple(score for score in scores if score.group == group) for group in get_args(Group)}
