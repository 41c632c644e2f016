"""`pvtt plan`: what training at 14B takes after this run, and whether it fits."""

from __future__ import annotations

import click


@click.command()
@click.option("--slurm-profile", default="infra/slurm/h800.yaml", show_default=True, help="Where the run is to be.")
def command(slurm_profile: str) -> None:
    """What training at 14B takes after this run: parameters, memory a GPU, hours, and what the step may bring.

    The 14B run starts from this run's params; what it changes is listed. Exit code 9: it doesn't fit.
    """
    from pvtt.dispatch.profile import load_profile
    from pvtt.files.workspace import find_workspace
    from pvtt.params.file import load_params
    from pvtt.promotion.mapping import describe_changes, promoted_params
    from pvtt.promotion.plan import describe_plan, plan_on, require_fit
    from pvtt.stages.all import STAGE_NAMES

    workspace = find_workspace()
    params = load_params(workspace.params_file)
    plan = plan_on(load_profile(workspace.root / slurm_profile, STAGE_NAMES), promoted_params(params))
    click.echo(f"{describe_changes(params)}\n\n{describe_plan(plan)}")
    require_fit(plan, slurm_profile)
