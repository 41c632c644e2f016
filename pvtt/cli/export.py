"""`pvtt export`: the dataset in the experiment document's folder layout."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Write the validated dataset to FOLDER: dataset.json, videos/, masked/, masks/ (PNG), product_images/.

    Run `pvtt validate` (or `dvc repro validate`) before. An earlier export in FOLDER is replaced.
    """
    from pvtt.dataset.export import export_dataset
    from pvtt.dispatch import from_environment
    from pvtt.files.lock import hold_lock
    from pvtt.files.workspace import find_workspace
    from pvtt.records.dataset import read_entries
    from pvtt.stages.all import PROFILE_PARTS

    workspace = find_workspace()
    entries = read_entries(workspace.out("validate"))
    with hold_lock(workspace.state / "export.lock", "pvtt export"):
        export_dataset(workspace, entries, folder.resolve(), from_environment(PROFILE_PARTS))
    click.echo(f"{folder}: {len(entries)} clips of {len({entry.product_id for entry in entries})} products")
