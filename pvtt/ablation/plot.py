"""The table as a picture: a panel a metric, a line a row, the block's reference as a vertical line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.ablation.table import Column, Table
from pvtt.files.atomic import atomic_path
from pvtt.report.plots import COLOURS, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_WIDTH, ROW_HEIGHT, MARGIN_HEIGHT = 2.6, 0.24, 0.9  # inches
LABEL_WIDTH = 3.2


def draw_plot(table: Table, path: Path) -> None:
    """Write the picture as SVG, on white; equal tables give equal bytes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    num_rows = sum(2 + len(block.lines) for block in table.blocks)
    size = LABEL_WIDTH + PANEL_WIDTH * len(table.columns), MARGIN_HEIGHT + ROW_HEIGHT * num_rows
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        panels: Any = figure.subplots(1, len(table.columns), sharey=True, squeeze=False)[0]
        labels: list[tuple[float, str]] = []
        for panel, column in zip(panels, table.columns, strict=True):
            labels = _draw_panel(panel, table, column)
        panels[0].set_yticks([place for place, _ in labels], [label for _, label in labels])
        panels[0].set_ylim(num_rows - 0.5, -0.5)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})


def _draw_panel(panel: Axes, table: Table, column: Column) -> list[tuple[float, str]]:
    """Draw a metric's means and intervals; returns the rows' places and labels."""
    labels: list[tuple[float, str]] = []
    place = 0
    for number, block in enumerate(table.blocks):
        colour = COLOURS[number % len(COLOURS)]
        labels.append((place, block.label.upper()))
        place += 1
        top = place
        for line in (block.against, *block.lines):
            labels.append((place, line.label))
            mean = line.cells[column.name].mean
            if mean is not None:
                # A skewed bootstrap can leave the mean just outside its interval.
                errors = [[max(0.0, mean.value - mean.low)], [max(0.0, mean.high - mean.value)]]
                is_reference = line is block.against
                panel.errorbar(
                    [mean.value],
                    [place],
                    xerr=errors,
                    fmt="o",
                    color=colour,
                    markerfacecolor="white" if is_reference else colour,
                    markersize=4,
                    linewidth=1.2,
                    capsize=2,
                )
            place += 1
        reference = block.against.cells[column.name].mean
        if reference is not None:
            panel.vlines(reference.value, top - 0.5, place - 0.5, colors=colour, linestyles=":", linewidth=1)
    unit = f" ({column.unit})" if column.unit else ""
    panel.set_title(f"{column.label}{unit} {column.better}".strip())
    panel.grid(axis="x", alpha=0.15)
    panel.tick_params(axis="y", length=0)
    return labels
