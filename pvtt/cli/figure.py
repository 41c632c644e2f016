"""`pvtt figure`: the README's picture of a real result."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("destination", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--rows", type=click.IntRange(1, 12), default=3, show_default=True, help="Products at most.")
@click.option("--swapped", is_flag=True, help="Another product's photos, and what is made of them.")
def command(destination: Path, split: str, rows: int, swapped: bool) -> None:
    """Draw template, mask, photos and output of the last evaluation into a PNG, for example docs/result.png."""
    from pvtt.files.workspace import find_workspace
    from pvtt.records.evaluation import read_evaluated
    from pvtt.report.figure import draw_figure

    workspace = find_workspace()
    out = workspace.out("evaluate")
    samples = [sample for sample in read_evaluated(out) if sample.split == split]
    draw_figure(samples, out, workspace.root, destination, rows, swapped)
    click.echo(f"Wrote {destination}")
