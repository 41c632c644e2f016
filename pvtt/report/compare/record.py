"""A comparison of runs as one record: what `--json` prints, and what the page and the tables are drawn from."""

from __future__ import annotations

from typing import Any, Literal

from pvtt.records.base import Record
from pvtt.records.decision import Verdict
from pvtt.records.evaluation import EvaluationRunId, MetricValue
from pvtt.records.parts import Part
from pvtt.stats.two_level import TwoLevelEstimate

# Whether a run's figures compare with the first one's: `unknown` where it is not here how one of them was measured.
Compares = Literal["first", "yes", "no", "unknown"]


class ComparedRun(Record):
    """One run, and whether its figures compare with the first one's."""

    name: str
    commit: str | None
    date: str | None
    run_id: EvaluationRunId
    verdict: Verdict | None
    reason: str | None
    seed: int | None
    model_sha256: str | None
    dataset_sha256: str | None
    measured_on: str | None
    compares: Compares
    why: tuple[str, ...]  # what of the measurement differs, or is not known
    missing: str | None  # why its samples are not here


class ParamRow(Record):
    """A key of the params whose values differ, in the runs' order; None where a run has no such key."""

    key: str
    values: tuple[Any, ...]


class ComparedCell(Record):
    """A metric of a run. `difference` is that to the first run, paired by sample; None where there is none."""

    value: MetricValue | None
    difference: TwoLevelEstimate | None = None
    best: bool = False  # of the runs that compare


class ComparedRow(Record):
    """A metric on a part, in each run."""

    part: Part
    name: str
    label: str
    unit: str
    better: str
    says: str
    cells: tuple[ComparedCell, ...]


class RunComparison(Record):
    """Runs side by side; every other one is held against the first."""

    schema_version: Literal[1] = 1
    runs: tuple[ComparedRun, ...]
    params: tuple[ParamRow, ...]
    rows: tuple[ComparedRow, ...]

    @property
    def says(self) -> str:
        """Whether the runs compare, in one sentence."""
        apart = [run.name for run in self.runs if run.compares == "no"]
        unknown = [run.name for run in self.runs if run.compares == "unknown"]
        first = self.runs[0].name
        parts = []
        if apart:
            parts.append(f"Not measured as {first} was, so their figures do not compare with its: {', '.join(apart)}.")
        if unknown:
            parts.append(f"Whether they were measured as {first} was is not known here: {', '.join(unknown)}.")
        return " ".join(parts) or "All were measured in the same way on the same data: their figures compare."
