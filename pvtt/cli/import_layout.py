"""`pvtt import`: an exported dataset back in a workspace, or a public one as a folder of products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvtt.records.catalog import Reject

LAYOUTS = ("pvtt", "davis", "youtube-vos", "dreambooth", "vpdata", "opens2v")


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--layout", type=click.Choice(LAYOUTS), default="pvtt", show_default=True, help="What FOLDER is.")
@click.option("--to", "target", type=click.Path(path_type=Path, file_okay=False), help="Where the products go.")
def command(folder: Path, layout: str, target: Path | None) -> None:
    """Take over the dataset in FOLDER.

    \b
      pvtt import exported                            what `pvtt export` wrote, into a workspace without outs/
      pvtt import DAVIS --layout davis --to products  a public one, for `pvtt crawl --source folder --start products`
    """
    from pvtt.dispatch import from_environment
    from pvtt.files.lock import hold_lock
    from pvtt.files.workspace import find_workspace
    from pvtt.stages.all import STAGE_NAMES

    if layout != "pvtt":
        from pvtt.dataset.layouts import convert

        if target is None:
            raise click.UsageError("--to is missing: the folder that the products go into")
        converted = convert(layout, folder.resolve(), target.resolve())
        films = f", {converted.num_films} with a film" if converted.num_films != converted.num_products else ""
        click.echo(f"{target}: {converted.num_products} products{films}; masks are made anew by `pvtt segment`")
        _tell(converted.rejects, target / "rejects.jsonl")
        click.echo(f"next: pvtt crawl --source folder --start {target}")
        return
    if target is not None:
        raise click.UsageError("--to is for public datasets: an exported one goes into this workspace")
    from pvtt.dataset.restore import import_dataset

    workspace = find_workspace()
    with hold_lock(workspace.state / "import.lock", "pvtt import"):
        restored = import_dataset(folder.resolve(), workspace, from_environment(STAGE_NAMES))
    products = {entry.product_id for entry in restored.entries}
    click.echo(f"{len(restored.entries)} clips of {len(products)} products are in outs/")
    _tell(restored.rejects, Path("outs/validate/rejects.jsonl"))
    click.echo("next: pvtt encode")


def _tell(rejects: Sequence[Reject], file: Path) -> None:
    if rejects:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(Counter(r.reason for r in rejects).items()))
        click.echo(f"rejected: {reasons} ({file})")
