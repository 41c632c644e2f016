"""`pvtt doctor`: is this machine, and the cluster, ready for a run?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pvtt.doctor.finding import Finding
    from pvtt.params.file import Params


def _weights(root: Path, params: Params) -> Iterator[Finding]:
    """The networks that params name: listed ones are checked, others must be there."""
    from pvtt.doctor.finding import fault, ok
    from pvtt.weights.check import check_network
    from pvtt.weights.networks import named_places, network_at

    for place, keys in named_places(params).items():
        network = network_at(place)
        label = f"weights {network.name}" if network else "weights"
        if network is None and not (root / place).exists():
            yield fault(label, f"{place} ({', '.join(keys)}) does not exist", "put it there, or change these keys")
        elif network is None:
            yield ok(label, f"{place} is there")
        else:
            checked = check_network(root, network, at=place)
            if checked.ok:
                yield ok(label, f"whole, at {place}")
            else:
                yield fault(label, "; ".join(checked.faults[:3]), f"`pvtt weights fetch {network.name}`")


@click.command()
@click.option("--profile", help="Also what this profile of infra/profiles/ needs; by default what params.yaml needs.")
@click.option("--slurm", help="Also the cluster of this Slurm profile, for example infra/slurm/h800.yaml.")
@click.option("--node/--no-node", default=True, show_default=True, help="Send a job to a node that says what it sees.")
@click.option("--node-timeout", default=180.0, show_default=True, help="Seconds that the job may take, queue included.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(profile: str | None, slurm: str | None, node: bool, node_timeout: float, as_json: bool) -> None:
    """Check this machine, the weights and the cluster before a run: each ok, a warning or a fault, with what to do.

    Nothing is changed; a job of seconds is sent with --slurm. Exit code 1: there is a fault.
    """
    from pvtt.dispatch.profile import load_profile
    from pvtt.doctor.finding import fault, ok, table
    from pvtt.doctor.machine import check_machine
    from pvtt.doctor.slurm import check_slurm
    from pvtt.errors import PvttError
    from pvtt.files.workspace import find_workspace
    from pvtt.params.file import load_params
    from pvtt.params.profiles import overlaid_params
    from pvtt.plan.run import plan_run
    from pvtt.stages.all import PROFILE_PARTS

    root = find_workspace().root
    findings: list[Finding] = []
    needed, params, place = None, None, None
    try:
        profiles = root / "infra" / "profiles"
        params = (
            load_params(root / "params.yaml")
            if profile is None
            else overlaid_params(root / "params.yaml", profiles, profile)
        )
        findings.append(ok("params", f"profile {params.profile}"))
        if slurm is not None:
            place = load_profile(root / slurm, PROFILE_PARTS)
            plan = plan_run(params, place, slurm, root)
            needed = plan.disk.total * 2**30
            findings += [fault("plan", one.what, f"change {one.change}") for one in plan.faults]
            findings += [] if plan.faults else [ok("plan", f"{params.profile} fits {slurm}")]
    except PvttError as error:
        findings.append(fault("params", error.message, error.hint or ""))
    findings += check_machine(root, needed)
    if params is not None:
        findings += _weights(root, params)
    if place is not None:
        findings += check_slurm(root, place, node, node_timeout)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False))
    else:
        click.echo(table(findings))
    if any(one.state == "fault" for one in findings):
        raise SystemExit(1)
