"""`pvtt crawl`."""

from __future__ import annotations

import json
from typing import get_args

import click

from pvtt.records.catalog import SourceKind


@click.command("crawl")
@click.option("--source", type=click.Choice(get_args(SourceKind)), help="Kind of source; crawl.source otherwise.")
@click.option("--start", metavar="URL|PATH", help="The shop's address, the folder, or the feed; crawl.start otherwise.")
@click.option(
    "--max-dropped",
    "max_dropped_fraction",
    type=click.FloatRange(0, 1),
    help="Share of the source's products that may leave at once; crawl.max_dropped_fraction otherwise.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(source: str | None, start: str | None, max_dropped_fraction: float | None, as_json: bool) -> None:
    """Bring data/ up to date with a shop, a folder of products, or a partner's feed."""
    from pvtt.crawl import crawl
    from pvtt.files.workspace import find_workspace
    from pvtt.params.crawl import CrawlParams
    from pvtt.params.file import load_params

    workspace = find_workspace()
    params = load_params(workspace.params_file).crawl
    options = {"source": source, "start": start, "max_dropped_fraction": max_dropped_fraction}
    given = {name: value for name, value in options.items() if value is not None}
    params = CrawlParams.model_validate_json(json.dumps({**params.model_dump(mode="json"), **given}))
    summary = crawl(workspace, params)
    if as_json:
        click.echo(summary.to_json(indent=2))
        return
    click.echo(
        f"{summary.num_products} products in data/: {summary.num_new} new, {summary.num_changed} changed, "
        f"{summary.num_unchanged} unchanged, {summary.num_dropped} dropped; "
        f"{summary.num_videos} videos, {summary.num_photos} photos"
    )
    if summary.rejects:
        reasons = ", ".join(f"{reason} {count}" for reason, count in summary.rejects.items())
        click.echo(f"rejected: {reasons} (data/rejects.jsonl)")
    for note in summary.notes:
        click.echo(note)
