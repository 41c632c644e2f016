"""What a run came to, as Prefect artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from pvtt.decision.text import LOWERED, criteria_rows
from pvtt.dispatch.cost import COLUMNS as COST_COLUMNS
from pvtt.dispatch.cost import StageCost
from pvtt.records.decision import Decision

COLUMNS = ("criterion", "target", "value", "95 % interval", "result")


def publish_cost(costs: Sequence[StageCost]) -> None:
    """Put GPU-hours and energy of a run's Slurm jobs on its page, a row a stage; nothing where it sent none."""
    if not costs:
        return
    rows = [dict(zip(COST_COLUMNS, cost.cells, strict=True)) for cost in costs]
    useful, failed = (sum(getattr(cost, name) for cost in costs) for name in ("useful", "failed"))
    text = f"**{useful:.2f} GPU-hours useful, {failed:.2f} failed.** `pvtt jobs ls --all` lists the jobs."
    create_table_artifact(rows, key="cost", description=text)


def publish_result(decision: Decision, report: Path) -> None:
    """Put the criteria table, the next steps and a link to the report where the flow's run is looked at."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in criteria_rows(decision.criteria)]
    create_table_artifact(rows, key="criteria", description=f"**{decision.verdict}**. {decision.reason}")
    lowered = "".join(f"\n**{LOWERED}**: {target}.\n" for target in decision.lowered_targets)
    steps = "\n".join(f"- {step.text}\n\n  ```\n  {step.command}\n  ```" for step in decision.next_steps)
    text = f"# {decision.verdict}\n{decision.reason}\n{lowered}\n\n## Next\n{steps}\n"
    create_markdown_artifact(text, key="decision", description=decision.run_id)
    create_link_artifact(report.as_uri(), link_text="report.html", key="report", description=f"run {decision.run_id}")
