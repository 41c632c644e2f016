"""The tables as Markdown and as LaTeX (needs the package booktabs)."""

from __future__ import annotations

import math

from pvtt.bench.axes import BenchMetric
from pvtt.bench.table import BenchTable, Cell, Grid, Made
from pvtt.bench.votes_text import QUESTION, Rows, lead, markdown, named, number, vote_tables, votes_markdown
from pvtt.report.latex import escape

MISSING = {"not_measured": "not measured", "too_few": "too few"}


def to_markdown(table: BenchTable) -> str:
    """An axis a table, then one figure of each axis by kind of triplet, then what people say."""
    parts = ["# PVTT-Bench", reading(table), _markdown_made(table)]
    for grid in table.axes:
        parts += [f"## {grid.title.capitalize()}: {grid.says}", _markdown_grid(grid)]
        parts.append("\n".join(f"- **{metric.label}**: {metric.says}" for metric in grid.columns))
    for name, grids in table.splits:
        parts.append(f"## By {name}")
        for grid in grids:
            parts += [f"### {grid.says}", _markdown_grid(grid)]
    parts.append(votes_markdown(table.votes))
    return "\n\n".join(parts) + "\n"


def to_latex(table: BenchTable) -> str:
    r"""One `tabular` an axis for `\input`, each after a comment that says which."""
    parts = [f"% {reading(table)}"]
    for grid in table.axes:
        decimals = places(grid)
        lines = [
            f"% {grid.title}: {grid.says}",
            r"\begin{tabular}{l" + "r" * len(grid.columns) + "}",
            r"\toprule",
            " & ".join(["", *(escape(title(metric)) for metric in grid.columns)]) + r" \\",
            r"\midrule",
        ]
        for line in grid.lines:
            cells = [escape(cell_text(cell, count)) for cell, count in zip(line.cells, decimals, strict=True)]
            lines.append(" & ".join([escape(named(line.contender, line.is_control)), *cells]) + r" \\")
        parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]))
    parts.append(f"% {QUESTION} {lead(table.votes)}")
    parts += [_latex_rows(rows) for rows in vote_tables(table.votes)]
    return "\n\n".join(parts) + "\n"


def _latex_rows(rows: Rows) -> str:
    lines = [f"% {rows.title}", r"\begin{tabular}{l" + "r" * (len(rows.head) - 1) + "}", r"\toprule"]
    lines += [" & ".join(escape(cell) for cell in rows.head) + r" \\", r"\midrule"]
    lines += [" & ".join(escape(cell) for cell in line) + r" \\" for line in rows.lines]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def reading(table: BenchTable) -> str:
    """How to read it, with what it rests on."""
    run = table.run
    products = len({triplet.product_id for triplet in run.triplets})
    return (
        f"Means over {len(run.triplets)} {run.kind} triplets of {products} products, with 95 % intervals over products."
        " Controls say what a figure can reach and what it cannot tell. Where a contender has no film, the template as"
        f" it is stands for it. Seed {run.seed}; bench {run.bench_sha256[:12]}."
    )


def _markdown_made(table: BenchTable) -> str:
    rows = [["contender", "what it is", "films", "minutes"], ["---"] * 4]
    rows += [[named(made.contender, made.is_control), made.says, films(made), minutes(made)] for made in table.made]
    return markdown(rows)


def films(made: Made) -> str:
    """How many a contender has, and why others are missing."""
    total = made.num_films + len(made.failures)
    reasons = sorted({failure.reason for failure in made.failures})
    return f"{made.num_films} of {total}" + (f" ({', '.join(reasons)})" if reasons else "")


def minutes(made: Made) -> str:
    """That its films took together."""
    return f"{made.seconds / 60:.1f}"


def _markdown_grid(grid: Grid) -> str:
    decimals = places(grid)
    rows = [["", *(title(metric) for metric in grid.columns)], ["---"] * (1 + len(grid.columns))]
    for line in grid.lines:
        cells = [cell_text(cell, count) for cell, count in zip(line.cells, decimals, strict=True)]
        rows.append([named(line.contender, line.is_control), *cells])
    return markdown(rows)


def title(metric: BenchMetric) -> str:
    """A column's head."""
    return f"{metric.label}{f', {metric.unit}' if metric.unit else ''} {metric.better}"


def cell_text(cell: Cell, decimals: int) -> str:
    """`mean [low, high]`, or why there is none."""
    if cell.estimate is None:
        return MISSING[cell.status]
    value, low, high = (number(one, decimals) for one in (cell.estimate.value, cell.estimate.low, cell.estimate.high))
    return f"{value} [{low}, {high}]"


def places(grid: Grid) -> list[int]:
    """Each column's decimal places: as many as its narrowest interval has a use for."""
    found = []
    for column in range(len(grid.columns)):
        estimates = [cell.estimate for line in grid.lines if (cell := line.cells[column]).estimate is not None]
        widths = [(one.high - one.low) / 2 for one in estimates if one is not None and one.high > one.low]
        found.append(min(3, max(1, math.ceil(-math.log10(min(widths))))) if widths else 2)
    return found
