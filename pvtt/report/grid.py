"""A table of texts, drawn as Markdown and as LaTeX: what goes into a paper, a card or a merge request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pvtt.report.latex import escape as latex

DASH = "–"  # of what is not there


@dataclass(frozen=True)
class Cell:
    """One text."""

    text: str
    bold: bool = False


NOTHING = Cell(DASH)


@dataclass(frozen=True)
class Line:
    """A row: its label, and a cell a column. Without cells it is a heading over the rows that follow."""

    label: str
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A table.

    Args:
        title: What it is.
        note: How to read it, and why something is missing.
        head: Of the columns, the labels' own first.
        lines: From top to bottom; each with `len(head) - 1` cells, or none.
        key: Of the table in LaTeX's references.
    """

    title: str
    note: str
    head: tuple[str, ...]
    lines: tuple[Line, ...]
    key: str


def to_markdown(grids: Sequence[Grid], level: int = 2) -> str:
    """Each table under its title; headings of lines are rows in bold. No text becomes markup."""
    return "\n\n".join(_markdown(grid, level) for grid in grids) + "\n"


def to_latex(grids: Sequence[Grid], comment: str = "") -> str:
    r"""Each table in a `table` of its own with its caption, for `\input`; needs the package booktabs."""
    first = f"% {' '.join(comment.split())}\n" if comment else ""
    return f"{first}% Needs \\usepackage{{booktabs}}.\n\n" + "\n\n".join(map(_latex, grids)) + "\n"


def markdown_text(text: str) -> str:
    """`text` as Markdown shows it, in one line: what would be markup, or end a table's cell, is escaped."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$&])", r"\\\1", " ".join(text.split()))


def _markdown(grid: Grid, level: int) -> str:
    rows = [list(map(markdown_text, grid.head)), ["---"] + ["---:"] * (len(grid.head) - 1)]
    for line in grid.lines:
        if line.cells:
            rows.append([markdown_text(line.label), *map(_markdown_cell, line.cells)])
        else:
            rows.append([f"**{markdown_text(line.label)}**"] + [""] * (len(grid.head) - 1))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{'#' * level} {markdown_text(grid.title)}\n\n{table}\n\n{markdown_text(grid.note)}"


def _markdown_cell(cell: Cell) -> str:
    text = markdown_text(cell.text)
    return f"**{text}**" if cell.bold else text


def _latex(grid: Grid) -> str:
    width = len(grid.head)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(grid.title)}. {latex(grid.note)}}}",
        rf"\label{{tab:{re.sub(r'[^a-z0-9-]+', '-', grid.key.lower())}}}",
        r"\begin{tabular}{l" + "r" * (width - 1) + "}",
        r"\toprule",
        _row_start(" & ".join(map(latex, grid.head))) + r" \\",
        r"\midrule",
    ]
    for number, line in enumerate(grid.lines):
        if line.cells:
            lines.append(" & ".join([_row_start(latex(line.label)), *map(_latex_cell, line.cells)]) + r" \\")
        else:
            lines += [r"\midrule"] if number else []
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{latex(line.label)}}}}} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def _row_start(text: str) -> str:
    r"""What a row begins with: after the `\\` of the row before, `[` and `*` would be read as its arguments."""
    return f"{{}}{text}" if text.startswith(("[", "*")) else text


def _latex_cell(cell: Cell) -> str:
    text = latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.bold else text
