"""`pvtt params`: check params.yaml, print it, or switch it to another profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvtt.params.profiles import Origin


def _table(origins: Mapping[str, Origin], width: int = 100) -> str:
    """A line a key: the key, its value, where it comes from. A value that is too long for the line is cut."""
    keys, sources = (max(map(len, column)) for column in (origins, [one.source for one in origins.values()]))
    room = width - keys - sources - 4
    lines = []
    for key, one in origins.items():
        value = json.dumps(one.value, ensure_ascii=False)
        shown = value if len(value) <= room else f"{value[: room - 1]}…"
        lines.append(f"{key:{keys}}  {shown:{room}}  {one.source}".rstrip())
    return "\n".join(lines)


@click.command()
@click.option("--profile", help="Write this profile of infra/profiles/ into params.yaml (poc, prod, champion, …).")
@click.option("--promoted", is_flag=True, help="Turn the promoted run's params.yaml into that of the 14B run.")
@click.option(
    "--origins", "show_origins", is_flag=True, help="Print every value and where it comes from; write nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print the checked params, defaults included, as JSON.")
def command(profile: str | None, promoted: bool, show_origins: bool, as_json: bool) -> None:
    """Check params.yaml against its schema.

    A wrong key, type or value is named with the reason and the nearest valid name (exit code 2).
    The tiny profile is what params.yaml holds in Git: `git checkout params.yaml` brings it back.

    `--profile poc --origins` says, before anything is written, which values the profile sets, which are the schema's
    defaults, and which stay as params.yaml has them.
    """
    from pvtt.files.workspace import find_workspace
    from pvtt.params.file import load_params
    from pvtt.params.profiles import apply_profile, origins

    if promoted and (profile is not None or show_origins):
        raise click.UsageError("--promoted excludes --profile and --origins")
    workspace = find_workspace()
    profiles = workspace.root / "infra" / "profiles"
    if show_origins:
        found = origins(workspace.params_file, profiles, profile)
        as_data = {key: {"value": one.value, "source": one.source} for key, one in found.items()}
        click.echo(json.dumps(as_data, indent=2) if as_json else _table(found))
        return
    if promoted:
        from pvtt.promotion.mapping import write_promoted_params

        params = write_promoted_params(workspace)
    elif profile is None:
        params = load_params(workspace.params_file)
    else:
        params = apply_profile(workspace.params_file, profiles, profile)
    if as_json:
        click.echo(params.model_dump_json(indent=2, by_alias=True))
    else:
        click.echo(f"{workspace.params_file}: profile {params.profile}, base {params.model.base}")
