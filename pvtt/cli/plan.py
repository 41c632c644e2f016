"""`pvtt plan`: what a run takes, and whether it fits; after a proof of concept, also what 14B takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvtt.dispatch.profile import SlurmProfile
    from pvtt.params.file import Params


@click.command()
@click.option("--profile", help="Plan this profile of infra/profiles/ instead of params.yaml; nothing is written.")
@click.option(
    "--slurm",
    "--slurm-profile",
    "slurm",
    default="infra/slurm/h800.yaml",
    show_default=True,
    help="Where the run is to be: a Slurm profile.",
)
@click.option(
    "--clips", type=click.IntRange(min=1), help="Clips of the dataset, where outs/validate has none to count."
)
@click.option(
    "--mfu",
    type=click.FloatRange(0.01, 1.0),
    default=0.31,
    show_default=True,
    help="Share of the GPUs' peak that training reaches.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(profile: str | None, slurm: str, clips: int | None, mfu: float, as_json: bool) -> None:
    """What a run takes before it is started: parameters, memory, disk, hours of every stage, and what to change.

    Parameters are counted exactly. Memory and time are computed from the model's shape; how is in docs/plan.md. For
    params.yaml of the profile poc it also says what the 14B run takes that follows a promotion.

    Exit code 9: something doesn't fit.
    """
    from pvtt.dispatch.profile import load_profile
    from pvtt.errors import GateShutError
    from pvtt.files.workspace import find_workspace
    from pvtt.params.file import load_params
    from pvtt.params.profiles import overlaid_params
    from pvtt.plan.run import plan_run
    from pvtt.plan.text import describe_run
    from pvtt.stages.all import STAGE_NAMES

    workspace = find_workspace()
    if profile is None:
        params = load_params(workspace.params_file)
    else:
        params = overlaid_params(workspace.params_file, workspace.root / "infra" / "profiles", profile)
    place = load_profile(workspace.root / slurm, STAGE_NAMES)
    plan = plan_run(params, place, slurm, workspace.root, clips=clips, mfu=mfu)
    if as_json:
        click.echo(json.dumps(asdict(plan) | {"gpu_hours": plan.gpu_hours, "fits": not plan.faults}, indent=2))
    else:
        click.echo(describe_run(plan))
        if profile is None and params.profile == "poc":
            _after_promotion(params, place, slurm)
    if plan.faults:
        changes = "; ".join(fault.change for fault in plan.faults)
        reasons = "; ".join(fault.what for fault in plan.faults)
        raise GateShutError(f"profile {params.profile} doesn't fit {slurm}: {reasons}", f"change {changes}")


def _after_promotion(params: Params, place: SlurmProfile, slurm: str) -> None:
    from pvtt.promotion.mapping import describe_changes, promoted_params
    from pvtt.promotion.plan import describe_plan, plan_on, require_fit

    plan = plan_on(place, promoted_params(params))
    click.echo(f"\nAfter a promotion: {describe_changes(params)}\n\n{describe_plan(plan)}")
    require_fit(plan, slurm)
