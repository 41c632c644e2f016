"""What each score is called and means, for people, in the groups that tables show."""

from __future__ import annotations

from typing import get_args

from pvtt.evaluation.metrics.metric import Group, Metric
from pvtt.evaluation.scores import all_scores
from pvtt.records.evaluation import Part


def meanings() -> dict[str, Metric]:
    """What each score says, by its name."""
    return {score.name: score for score in all_scores()}


def groups(part: Part | None = None) -> dict[str, tuple[Metric, ...]]:
    """The scores of each group, in the order of tables; only what is measured in `part` where that is given."""
    scores = all_scores(part)
    return {group: tuple(score for score in scores if score.group == group) for group in get_args(Group)}
