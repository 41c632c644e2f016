"""`pvtt figure`: the README's picture of a real result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvtt.records.parts import Part


@click.command()
@click.argument("destination", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--rows", type=click.IntRange(1, 12), default=4, show_default=True, help="Of each kind at most.")
@click.option("--beside", multiple=True, help="Another contender to show: paste, or one of evaluate.routes.run.")
def command(destination: Path, split: Part, rows: int, beside: tuple[str, ...]) -> None:
    """Draw transfers, and samples of a split, of the last evaluation into a PNG, for example docs/result.png.

    A row each: template, photos, hole, other contenders, output and truth.
    """
    from pvtt.files.workspace import find_workspace
    from pvtt.records.evaluation import read_evaluated
    from pvtt.report.figure import draw_figure

    workspace = find_workspace()
    out = workspace.out("evaluate")
    draw_figure(read_evaluated(out), out, workspace.root, destination, rows, split, beside)
    click.echo(f"Wrote {destination}")
