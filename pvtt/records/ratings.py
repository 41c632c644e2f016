"""A person's rating of one video: a line of `ratings/<run_id>.jsonl`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, StringConstraints

from pvtt.records.clips import ClipRecord


def _one_form(name: object) -> object:
    """A name as it is kept: "Ann", "ann " and "ann" are one person."""
    return " ".join(name.split()).casefold() if isinstance(name, str) else name


RaterName = Annotated[str, BeforeValidator(_one_form), StringConstraints(pattern=r"^[\w][\w .@-]{0,63}$")]
Control = Literal["ground_truth", "mean_fill"]  # hidden among the videos, to judge the raters by
Shown = Literal["generated", "ground_truth", "mean_fill"]  # which of a sample's videos
CONTROLS: tuple[Control, ...] = get_args(Control)


class Rating(ClipRecord):
    """One click. A later rating of the same video by the same rater replaces an earlier one."""

    schema_version: Literal[1] = 1
    run_id: str
    rater: RaterName
    shown: Shown = "generated"
    again: bool = False  # the video was shown a second time
    score: int = Field(ge=1, le=5)
    rated_at: str  # ISO 8601, UTC
