"""`pvtt weights`: published networks that profiles and metrics name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from pvtt.files.workspace import Workspace
    from pvtt.params.file import Params
    from pvtt.weights.networks import Network


@click.group()
def command() -> None:
    """Weights of published networks: which there are, fetching them, checking them.

    \b
        pvtt weights fetch --profile poc
        pvtt params --profile poc
        dvc repro
    """


def _params(workspace: Workspace, profile: str | None) -> Params:
    from pvtt.params.file import load_params
    from pvtt.params.profiles import overlaid_params

    if profile is None:
        return load_params(workspace.params_file)
    return overlaid_params(workspace.params_file, workspace.root / "infra" / "profiles", profile)


def _chosen(workspace: Workspace, names: Sequence[str], profile: str | None) -> list[Network]:
    from pvtt.weights.networks import find_network, wanted

    if names and profile is not None:
        raise click.UsageError("give names or --profile, not both")
    if names:
        return [find_network(name) for name in dict.fromkeys(names)]
    return [find_network(name) for name in wanted(_params(workspace, profile))]


def _users(workspace: Workspace) -> dict[str, list[str]]:
    """Which profiles want which networks; one that cannot be read wants none."""
    from pvtt.errors import PvttError
    from pvtt.params.profiles import overlaid_params, profile_names
    from pvtt.weights.networks import wanted

    found: dict[str, list[str]] = {}
    directory: Path = workspace.root / "infra" / "profiles"
    for profile in profile_names(directory):
        try:
            names = wanted(overlaid_params(workspace.params_file, directory, profile))
        except PvttError:
            continue
        for name in names:
            found.setdefault(name, []).append(profile)
    return found


@command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_networks(as_json: bool) -> None:
    """All networks: size, licence, whether they are there, and which profiles want them."""
    from pvtt.files.workspace import find_workspace
    from pvtt.weights.check import check_network
    from pvtt.weights.networks import NETWORKS

    workspace = find_workspace()
    users = _users(workspace)
    rows = []
    for network in NETWORKS:
        checked = check_network(workspace.root, network)
        state = "whole" if checked.ok else ("damaged" if checked.there else "-")
        commit = None if checked.lock is None else checked.lock.commit
        rows.append(
            {
                "name": network.name,
                "says": network.says,
                "source": network.source,
                "revision": network.revision,
                "commit": commit,
                "place": network.place,
                "licence": network.licence,
                "gb": network.gb if checked.lock is None else checked.lock.size / 1e9,
                "state": state,
                "profiles": users.get(network.name, []),
                "keys": list(network.keys),
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'name':22} {'GB':>6}  {'there':8} {'licence':22} profiles")
    for row, network in zip(rows, NETWORKS, strict=True):
        profiles = ", ".join(users.get(network.name, [])) or "-"
        click.echo(f"{network.name:22} {row['gb']:>6.2f}  {row['state']:8} {network.licence:22} {profiles}")
        click.echo(f"  {network.says}")
        click.echo(f"  {', '.join(network.keys)}")
        pinned = f"commit {row['commit']}" if row["commit"] else _pin(network)
        click.echo(f"  {network.source} ({pinned})")


def _pin(network: Network) -> str:
    if network.repo is None:
        return "known by the hash in its name"
    return "main: recorded at the first fetch" if network.revision == "main" else f"commit {network.revision}"


@command.command("fetch")
@click.argument("names", nargs=-1)
@click.option("--profile", help="All that this profile wants; by default all that params.yaml wants.")
@click.option("--update", is_flag=True, help="Take the newest of the list's revision, not what was fetched before.")
def fetch_networks(names: tuple[str, ...], profile: str | None, update: bool) -> None:
    """Fetch networks to their places; broken off, the same command goes on. What is whole is left.

    Exit codes: 3 one is not there or gated, 7 the disk has no room, 1 the connection broke off.
    """
    from pvtt.files.lock import hold_lock
    from pvtt.files.workspace import find_workspace
    from pvtt.weights.check import check_network
    from pvtt.weights.fetch import fetch

    workspace = find_workspace()
    networks = _chosen(workspace, names, profile)
    if not networks:
        click.echo("these params name no published network: there is nothing to fetch")
        return
    for network in networks:
        checked = check_network(workspace.root, network)
        if checked.ok and checked.lock is not None and not update:
            click.echo(f"{network.name}: whole, at {network.place}")
            continue
        click.echo(f"{network.name}: {network.source}, about {network.gb:g} GB, {network.licence}")
        with hold_lock(
            workspace.state / "locks" / f"weights-{network.name}.lock", f"pvtt weights fetch {network.name}"
        ):
            lock = fetch(workspace.root, network, update=update)
        commit = f" of commit {lock.commit}" if lock.commit else ""
        click.echo(f"{network.name}: {lock.size / 1e9:.2f} GB{commit} at {network.place}")
        faults = check_network(workspace.root, network).faults
        for fault in faults:
            click.echo(f"  warning: {fault}")


@command.command("check")
@click.argument("names", nargs=-1)
@click.option("--profile", help="All that this profile wants; by default all that params.yaml wants.")
@click.option("--hashes", is_flag=True, help="Compute every file's hash too: reads all of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_networks(names: tuple[str, ...], profile: str | None, hashes: bool, as_json: bool) -> None:
    """Check that weights are there, whole, and of the kind that is wanted. Exit code 3: one is not."""
    from pvtt.errors import MissingInputError
    from pvtt.files.workspace import find_workspace
    from pvtt.weights.check import check_network

    workspace = find_workspace()
    checked = [check_network(workspace.root, network, hashes) for network in _chosen(workspace, names, profile)]
    if as_json:
        click.echo(json.dumps([{"name": one.network.name, "ok": one.ok, "faults": one.faults} for one in checked]))
    else:
        for one in checked:
            click.echo(f"{one.network.name:22} {'whole' if one.ok else '; '.join(one.faults)}")
        if not checked:
            click.echo("these params name no published network: there is nothing to check")
    bad = [one.network.name for one in checked if not one.ok]
    if bad:
        raise MissingInputError(
            f"weights are missing or damaged: {', '.join(bad)}", f"pvtt weights fetch {' '.join(bad)}"
        )
