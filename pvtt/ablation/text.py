"""The table as Markdown and as LaTeX (needs the package booktabs)."""

from __future__ import annotations

import math

from pvtt.ablation.table import Cell, Column, Line, Table
from pvtt.report.latex import escape
from pvtt.stats.two_level import TwoLevelEstimate

MISSING = {"not_measured": "not measured", "too_few": "too few"}


def to_markdown(table: Table) -> str:
    """A section a block, a metric a column; under each mean the paired difference."""
    decimals = _decimals(table)
    parts = [f"# {table.title}", table.says, _reading(table)]
    for block in table.blocks:
        head = [block.label, "seeds", *(_title(column) for column in table.columns), *_cost_titles()]
        rows = [head, ["---"] * len(head)]
        rows += [
            [
                f"{line.label} (reference)" if line is block.against else line.label,
                _seeds(line),
                *(
                    _markdown_cell(line.cells[one.name], decimals[one.name], line is block.against)
                    for one in table.columns
                ),
                *_costs(line),
            ]
            for line in (block.against, *block.lines)
        ]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts.append("\n".join(f"- **{column.label}**: {column.says}" for column in table.columns))
    return "\n\n".join(parts) + "\n"


def to_latex(table: Table) -> str:
    r"""One `tabular` for `\input`, two lines a row: the mean with its interval, then the paired difference."""
    decimals = _decimals(table)
    width = 2 + len(table.columns) + len(_cost_titles())
    titles = ["", "seeds", *(_title(column) for column in table.columns), *_cost_titles()]
    lines = [
        f"% {' '.join(_reading(table).splitlines())}",
        r"\begin{tabular}{l" + "r" * (width - 1) + "}",
        r"\toprule",
        " & ".join(escape(title) for title in titles) + r" \\",
    ]
    for block in table.blocks:
        lines += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(block.label)}}}}} \\"]
        for line in (block.against, *block.lines):
            cells = [escape(_mean_of(line.cells[one.name], decimals[one.name])) for one in table.columns]
            label = f"{line.label} (reference)" if line is block.against else line.label
            lines.append(" & ".join([escape(label), _seeds(line), *cells, *map(escape, _costs(line))]) + r" \\")
            if line is not block.against:
                differences = [_latex_difference(line.cells[one.name], decimals[one.name]) for one in table.columns]
                lines.append(" & ".join([r"\quad $\Delta$", "", *differences, *[""] * len(_costs(line))]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _reading(table: Table) -> str:
    """How to read it, with what it rests on."""
    seeds = sorted({seed for line in table.lines() for seed in line.seeds})
    return (
        f"Means over seeds and {table.num_products} {table.split} products, with 95 % intervals over both (seeds by "
        "Student's t, products by the bootstrap; with one seed, over products alone). Δ is the paired difference to "
        "the block's reference, over what both measured; **bold** where its interval excludes 0. "
        f"{table.num_done} of {table.num_experiments} experiments are done, seeds {', '.join(map(str, seeds))}; "
        f"basis {table.basis}."
    )


def _title(column: Column) -> str:
    unit = f", {column.unit}" if column.unit else ""
    return f"{column.label}{unit} {column.better}".strip()


def _cost_titles() -> list[str]:
    return ["parameters", "tokens", "s a step", "hours"]


def _costs(line: Line) -> list[str]:
    return [
        MISSING["not_measured"] if value is None else text.format(value)
        for value, text in (
            (line.num_parameters, "{:,}"),
            (line.tokens, "{:,}"),
            (line.step_seconds, "{:.2f}"),
            (line.hours, "{:.2f}"),
        )
    ]


def _seeds(line: Line) -> str:
    done, planned = len(line.seeds), len(line.planned_seeds)
    return str(done) if done == planned else f"{done} of {planned}"


def _markdown_cell(cell: Cell, decimals: int, is_reference: bool) -> str:
    mean = _mean_of(cell, decimals)
    if cell.mean is None or is_reference:
        return mean
    if cell.difference is None:
        return f"{mean}<br>Δ not measured"
    text = _interval(cell.difference, decimals, signed=True)
    return f"{mean}<br>Δ **{text}**" if cell.difference.excludes_zero else f"{mean}<br>Δ {text}"


def _latex_difference(cell: Cell, decimals: int) -> str:
    if cell.difference is None:
        return MISSING["not_measured"]
    text = escape(_interval(cell.difference, decimals, signed=True))
    return rf"\textbf{{{text}}}" if cell.difference.excludes_zero else text


def _mean_of(cell: Cell, decimals: int) -> str:
    return MISSING[cell.status] if cell.mean is None else _interval(cell.mean, decimals)


def _interval(interval: TwoLevelEstimate, decimals: int, signed: bool = False) -> str:
    value, low, high = (_number(number, decimals, signed) for number in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def _number(number: float, decimals: int, signed: bool) -> str:
    """With a real minus sign, and no sign where it rounds to 0."""
    text = f"{number:+.{decimals}f}" if signed else f"{number:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")


def _decimals(table: Table) -> dict[str, int]:
    """A column's decimal places: as many as its narrowest interval has a use for."""
    found = {}
    for column in table.columns:
        cells = [line.cells[column.name] for block in table.blocks for line in (block.against, *block.lines)]
        widths = [
            interval.half_width
            for cell in cells
            for interval in (cell.mean, cell.difference)
            if interval is not None and interval.half_width > 0
        ]
        found[column.name] = min(3, max(1, math.ceil(-math.log10(min(widths))))) if widths else 2
    return found
