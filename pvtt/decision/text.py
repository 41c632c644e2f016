"""A decision as plain text, for a terminal or an e-mail."""

from __future__ import annotations

from pvtt.records.decision import Criterion, Decision

MARKS = {"pass": "pass", "fail": "FAIL", "not_measured": "not measured", "too_few": "too few samples"}


LOWERED = "Lowered target"


def format_number(value: float | None) -> str:
    """At most four significant digits; a dash where there is no number."""
    return "–" if value is None else f"{value:.4g}"


def format_interval(low: float | None, high: float | None) -> str:
    """`[low, high]`; a dash where there is none."""
    return "–" if low is None or high is None else f"[{format_number(low)}, {format_number(high)}]"


def criteria_rows(criteria: tuple[Criterion, ...]) -> list[tuple[str, str, str, str, str]]:
    """Each criterion as criterion, target, value, interval and status."""
    return [
        (
            f"{c.part}: {c.label}",
            f"{c.comparison} {c.target:g}",
            format_number(c.value),
            format_interval(c.low, c.high),
            MARKS[c.status],
        )
        for c in criteria
    ]


def format_decision(decision: Decision, report_path: str | None = None) -> str:
    """The verdict and why, the criteria as an aligned table, the next steps as commands, and where the report is."""
    table = [("criterion", "target", "value", "95 % interval", "status"), *criteria_rows(decision.criteria)]
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    lines = [f"verdict: {decision.verdict}  (run {decision.run_id})", decision.reason, *decision.beaten_by]
    lines += [f"{LOWERED}: {target}." for target in decision.lowered_targets]
    lines.append("")
    for row in table:
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    lines += ["", "next:"]
    for step in decision.next_steps:
        lines += [f"  {step.text}", f"    {step.command}"]
    if report_path is not None:
        lines += ["", f"report: {report_path}"]
    return "\n".join(lines)
