"""What validation found: one record an expectation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record


class ExpectationResult(Record):
    """One expectation over one table, and the rows that failed it. One a line in `outs/validate/expectations.jsonl`."""

    schema_version: Literal[1] = 1
    table: str
    expectation: str  # what is expected, in words
    severity: Literal["critical", "warning"]
    passed: bool
    num_rows: int = Field(ge=0)
    num_failed: int = Field(ge=0)
    failed_rows: tuple[str, ...] = ()  # names with the values that failed, for example JEWE001_001 (area_mean=0.9)
