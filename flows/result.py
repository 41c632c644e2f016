"""What a run came to, for a terminal and as Prefect artifacts."""

from __future__ import annotations

from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from pvtt.records.decision import Criterion, Decision

HEADERS = ("criterion", "split", "target", "value", "95 % interval", "result")
RESULTS = {"pass": "pass", "fail": "fail", "not_measured": "not measured", "too_few": "too few samples"}
COLOURS = {"pass": "green", "fail": "red", "not_measured": "yellow", "too_few": "yellow"}


def _row(criterion: Criterion) -> tuple[str, ...]:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.3g}"

    interval = "–" if criterion.low is None else f"{number(criterion.low)} … {number(criterion.high)}"
    target = f"{criterion.comparison} {criterion.target:g}"
    if criterion.bound != "value":
        target += f" ({criterion.bound} end)"
    return (criterion.label, criterion.split, target, number(criterion.value), interval, RESULTS[criterion.status])


def print_result(decision: Decision, report: Path) -> None:
    """Print the verdict, the criteria table, the next step as a command, and where the report is."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"\n[bold]Verdict: {decision.verdict}[/]. ", end="")
    console.print(decision.reason, markup=False)
    table = Table(*HEADERS, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for criterion in decision.criteria:
        *cells, result = _row(criterion)
        table.add_row(*cells, f"[{COLOURS[criterion.status]}]{result}[/]")
    console.print(table)
    for number, step in enumerate(decision.next_steps):
        console.print("\nNext step: " if number == 0 else "Or: ", step.text, sep="", markup=False)
        print(f"  {step.command}")  # not wrapped, so that it can be copied
    print(f"\nReport: {report}")


def publish_result(decision: Decision, report: Path) -> None:
    """Put the criteria table, the next steps and a link to the report where the flow's run is looked at."""
    rows = [dict(zip(HEADERS, _row(criterion), strict=True)) for criterion in decision.criteria]
    create_table_artifact(rows, key="criteria", description=f"**{decision.verdict}**. {decision.reason}")
    steps = "\n".join(f"- {step.text}\n\n  ```\n  {step.command}\n  ```" for step in decision.next_steps)
    create_markdown_artifact(
        f"# {decision.verdict}\n{decision.reason}\n\n## Next\n{steps}\n", key="decision", description=decision.run_id
    )
    create_link_artifact(report.as_uri(), link_text="report.html", key="report", description=f"run {decision.run_id}")
