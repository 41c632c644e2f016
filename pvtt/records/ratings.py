"""A person's rating of one video: a line of `ratings/<run_id>.jsonl`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pvtt.records.base import Record
from pvtt.records.catalog import ClipId, ProductId

RaterName = Annotated[str, StringConstraints(pattern=r"^[\w][\w .@-]{0,63}$")]


class Rating(Record):
    """One click. A later rating of the same video by the same rater replaces an earlier one."""

    schema_version: Literal[1] = 1
    run_id: str
    rater: RaterName
    product_id: ProductId
    clip_id: ClipId
    score: int = Field(ge=1, le=5)
    rated_at: str  # ISO 8601, UTC

    @property
    def key(self) -> str:
        return f"{self.product_id}_{self.clip_id}"
