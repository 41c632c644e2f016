"""A comparison as Markdown and as LaTeX, and its texts that the page shows too."""

from __future__ import annotations

import json
from typing import Any

from pvtt.decision.text import format_number
from pvtt.records.parts import PARTS, Part
from pvtt.report.compare.record import ComparedCell, ComparedRow, ComparedRun, RunComparison
from pvtt.report.grid import NOTHING, Cell, Grid, Line, markdown_text, to_latex, to_markdown
from pvtt.report.paper import missing_note, shown
from pvtt.stats.two_level import TwoLevelEstimate

COMPARES = {"first": "held against", "yes": "compares", "no": "does not compare", "unknown": "not known"}
READING = (
    "Means over samples with the 95 % interval of a bootstrap over products. Δ is the difference to the first run, "
    "paired by sample, with its own interval; * where that excludes 0. Bold: the best of the runs that compare."
)


def compared_markdown(comparison: RunComparison) -> str:
    """The whole comparison; whether the runs compare stands first."""
    title = f"# {', '.join(markdown_text(run.name) for run in comparison.runs)}"
    return f"{title}\n\n**{markdown_text(comparison.says)}**\n\n" + to_markdown(compared_grids(comparison))


def compared_latex(comparison: RunComparison) -> str:
    r"""The same tables for `\input`."""
    return to_latex(compared_grids(comparison), comparison.says)


def compared_grids(comparison: RunComparison) -> tuple[Grid, ...]:
    """What the runs are, what of their params differs, and a table a part."""
    key = "-".join(run.run_id[:6] for run in comparison.runs)
    parts = [part for part in PARTS if any(row.part == part for row in comparison.rows)]
    return (
        _runs(comparison, key),
        *([_params(comparison, key)] if comparison.params else []),
        *(_metrics(comparison, part, key) for part in parts),
    )


def facts_of(run: ComparedRun) -> tuple[tuple[str, str], ...]:
    """What a run is, as (name, value)."""
    return (
        ("commit", (run.commit or "not committed")[:12] if run.commit else "not committed"),
        ("date", run.date or NOTHING.text),
        ("run", run.run_id),
        ("verdict", run.verdict or "not decided"),
        ("model", (run.model_sha256 or NOTHING.text)[:12]),
        ("data", (run.dataset_sha256 or NOTHING.text)[:12]),
        ("seed", NOTHING.text if run.seed is None else str(run.seed)),
        ("evaluated on", run.measured_on or NOTHING.text),
        ("compares", COMPARES[run.compares]),
        ("why", "; ".join(run.why) or NOTHING.text),
    )


def title_of(row: ComparedRow) -> str:
    """`product PSNR, dB ↑`."""
    unit = f", {row.unit}" if row.unit else ""
    return f"{row.label}{unit} {row.better}".strip()


def difference_text(difference: TwoLevelEstimate) -> str:
    """`Δ +0.31 [+0.02, +0.60] *`, the star where the interval excludes 0."""
    value, low, high = (_signed(number) for number in (difference.value, difference.low, difference.high))
    return f"Δ {value} [{low}, {high}]{' *' if difference.excludes_zero else ''}"


def value_text(value: Any) -> str:
    """A param's value in one line; a dash where a run has no such key."""
    return NOTHING.text if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _signed(number: float) -> str:
    text = format_number(number)
    return text if number < 0 or float(text) == 0 else f"+{text}"


def _runs(comparison: RunComparison, key: str) -> Grid:
    facts = [facts_of(run) for run in comparison.runs]
    return Grid(
        title="Runs",
        note=comparison.says,
        head=("", *(run.name for run in comparison.runs)),
        lines=tuple(
            Line(name, tuple(Cell(of_run[number][1]) for of_run in facts)) for number, (name, _) in enumerate(facts[0])
        ),
        key=f"pvtt-{key}-runs",
    )


def _params(comparison: RunComparison, key: str) -> Grid:
    return Grid(
        title="Params that differ",
        note="All others are the same. A dash: no such key.",
        head=("key", *(run.name for run in comparison.runs)),
        lines=tuple(Line(row.key, tuple(Cell(value_text(value)) for value in row.values)) for row in comparison.params),
        key=f"pvtt-{key}-params",
    )


def _metrics(comparison: RunComparison, part: Part, key: str) -> Grid:
    rows = [row for row in comparison.rows if row.part == part]
    missing = [(row.label, cell.value) for row in rows for cell in row.cells if cell.value is not None]
    return Grid(
        title=f"Metrics on {part}",
        note=" ".join(filter(None, [READING, missing_note(missing)])),
        head=("metric", *(run.name for run in comparison.runs)),
        lines=tuple(Line(title_of(row), tuple(map(_cell, row.cells))) for row in rows),
        key=f"pvtt-{key}-{part}",
    )


def _cell(cell: ComparedCell) -> Cell:
    if cell.value is None:
        return NOTHING
    difference = "" if cell.difference is None else f"; {difference_text(cell.difference)}"
    return Cell(f"{shown(cell.value)}{difference}", cell.best)
