"""A decision as plain text, for a terminal or an e-mail."""

from __future__ import annotations

from pvtt.records.decision import Criterion, Decision
from pvtt.stats.digits import apart

MARKS = {"pass": "pass", "fail": "FAIL", "not_measured": "not measured", "too_few": "too few samples"}


LOWERED = "Lowered target"


def format_number(value: float | None, beside: float | None = None) -> str:
    """Four significant digits; more where it would look like `beside` and isn't. A dash where there is no number."""
    return "–" if value is None else apart(value, value if beside is None else beside, 4)[0]


def format_interval(low: float | None, high: float | None, beside: float | None = None) -> str:
    """`[low, high]`, with digits as `format_number`; a dash where there is none."""
    if low is None or high is None:
        return "–"
    return f"[{format_number(low, beside)}, {format_number(high, beside)}]"


def criteria_rows(criteria: tuple[Criterion, ...]) -> list[tuple[str, str, str, str, str]]:
    """Each criterion as criterion, target, value, interval and status."""
    return [
        (
            f"{c.part}: {c.label}",
            f"{c.comparison} {c.target:g}",
            format_number(c.value, c.target),
            format_interval(c.low, c.high, c.target),
            MARKS[c.status],
        )
        for c in criteria
    ]


def format_decision(decision: Decision, report_path: str | None = None) -> str:
    """The verdict and why, the criteria as an aligned table, the next steps as commands, and where the report is.

    A target that was lowered stands in red, which `click.echo` takes out where it is not for a terminal.
    """
    import click

    table = [("criterion", "target", "value", "95 % interval", "status"), *criteria_rows(decision.criteria)]
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    lines = [f"verdict: {decision.verdict}  (run {decision.run_id})", decision.reason, *decision.beaten_by]
    lines += [click.style(f"{LOWERED}: {target}.", fg="red") for target in decision.lowered_targets]
    lines.append("")
    for row in table:
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    lines += ["", "next:"]
    for step in decision.next_steps:
        lines += [f"  {step.text}", f"    {step.command}"]
    if report_path is not None:
        lines += ["", f"report: {report_path}"]
    return "\n".join(lines)


def explain(decision: Decision) -> str:
    """Each row of the decision matrix in its order: what it asks, what was found, and which row decided."""
    from pvtt.decision.decide import MATRIX

    by_name = {criterion.name: criterion for criterion in decision.criteria}
    lines = [f"verdict: {decision.verdict}. The first row of which a criterion fails decides.", ""]
    for verdict, names in MATRIX.items():
        mark = "→" if verdict == decision.verdict else " "
        lines.append(f"{mark} {verdict}: if one of these fails")
        for name in names:
            c = by_name[name]
            asked = f"{'' if c.bound == 'value' else 'the whole interval '}{c.comparison} {c.target:g}"
            found = f"{format_number(c.value, c.target)} {format_interval(c.low, c.high, c.target)}"
            lines.append(f"    {c.part}: {c.label} {asked}: {found}, {MARKS[c.status]}")
    lines.append(f"{'→' if decision.verdict == 'success' else ' '} success: if none fails")
    if decision.verdict == "incomplete":
        lines.append(f"→ incomplete: {', '.join(decision.missing)} is not measured, and could change which row decides")
    lines += [f"{LOWERED}: {target}." for target in decision.lowered_targets]
    return "\n".join(lines)
