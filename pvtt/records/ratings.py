"""A person's rating of one video: a line of `ratings/<run_id>.jsonl`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from pvtt.records.clips import ClipRecord


def _one_form(name: object) -> object:
    """A name as it is kept: "Ann", "ann " and "ann" are one person."""
    return " ".join(name.split()).casefold() if isinstance(name, str) else name


RaterName = Annotated[str, BeforeValidator(_one_form), StringConstraints(pattern=r"^[\w][\w .@-]{0,63}$")]


class Rating(ClipRecord):
    """One click. A later rating of the same video by the same rater replaces an earlier one."""

    schema_version: Literal[1] = 1
    run_id: str
    rater: RaterName
    score: int = Field(ge=1, le=5)
    rated_at: str  # ISO 8601, UTC
