"""`pvtt params`: check params.yaml, print it, or switch it to another profile."""

from __future__ import annotations

import click


@click.command()
@click.option("--profile", help="Write this profile of infra/profiles/ into params.yaml (poc, prod, champion, …).")
@click.option("--promoted", is_flag=True, help="Turn the promoted run's params.yaml into that of the 14B run.")
@click.option("--json", "as_json", is_flag=True, help="Print the checked params, defaults included, as JSON.")
def command(profile: str | None, promoted: bool, as_json: bool) -> None:
    """Check params.yaml against its schema.

    A wrong key, type or value is named with the reason and the nearest valid name (exit code 2).
    The tiny profile is what params.yaml holds in Git: `git checkout params.yaml` brings it back.
    """
    from pvtt.files.workspace import find_workspace
    from pvtt.params.file import load_params
    from pvtt.params.profiles import apply_profile

    if promoted and profile is not None:
        raise click.UsageError("--promoted and --profile exclude each other")
    workspace = find_workspace()
    if promoted:
        from pvtt.promotion.mapping import write_promoted_params

        params = write_promoted_params(workspace)
    elif profile is None:
        params = load_params(workspace.params_file)
    else:
        params = apply_profile(workspace.params_file, workspace.root / "infra" / "profiles", profile)
    if as_json:
        click.echo(params.model_dump_json(indent=2, by_alias=True))
    else:
        click.echo(f"{workspace.params_file}: profile {params.profile}, base {params.model.base}")
