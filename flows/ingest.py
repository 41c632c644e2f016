"""Shop → new dataset version: crawl, check the raw data, `dvc add data`, and, when scheduled, commit `data.dvc`.

    python -m flows.ingest --commit

Crawled data cannot be made again, so it is no DVC stage: it is what the stages start from.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import click
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.board import Board
from flows.console import exit_with_errors
from flows.steps import StepError, dvc, run_step
from pvtt.items.git import commit as git_commit
from pvtt.items.lock import hold_lock
from pvtt.items.workspace import Workspace, find_workspace
from pvtt.records.params import CrawlParams, load_params
from pvtt.validation.raw import check_raw_data

CRAWL = "crawl"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONNECT_WITHIN_S = 2.0


@dataclass(frozen=True)
class DataVersion:
    """What an ingest brought.

    Args:
        num_products: In `data/` now.
        changed: Whether it differs from the version that is committed.
        message: The commit's message, for example `Data: +3 products, −0`.
        commit: The commit of `data.dvc`, where one was asked for and made.
    """

    num_products: int
    changed: bool
    message: str
    commit: str | None = None


def _is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """A shop that does not answer is tried again; wrong params or a spent failure budget are not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StepError) and (error.exit_code == 1 or error.was_preempted)


@task(retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=_is_transient, cache_policy=NO_CACHE)
def crawl(workspace: Workspace, board: Board) -> None:
    """Bring `data/` up to date with its source."""
    run_step(workspace, CRAWL, ["pvtt", "crawl"], lambda state: board.update(CRAWL, state))


@task(cache_policy=NO_CACHE)
def check(workspace: Workspace) -> int:
    """Check every record and file of `data/`; returns the number of products."""
    return check_raw_data(workspace)


@task(cache_policy=NO_CACHE)
def add_version(workspace: Workspace, num_products: int) -> DataVersion:
    """`dvc add data`, and how that differs from the committed version."""
    run_step(workspace, "dvc-add", dvc("add", "--quiet", "data"))
    answer = run_step(workspace, "dvc-diff", dvc("diff", "--json", "HEAD", "--targets", "data"))
    diff = json.loads(answer.splitlines()[-1])
    products = {kind: _products(diff[kind]) for kind in ("added", "deleted", "modified")}
    added, deleted = (
        {entry.parts[2] for entry in products[kind] if entry.name == "product.json"} for kind in ("added", "deleted")
    )
    altered = {entry.parts[2] for entries in products.values() for entry in entries} - added - deleted
    changed = any(products.values())
    if diff["not in cache"]:  # the committed version's list of files is on another machine
        message = f"Data: {num_products} products"
    else:
        message = f"Data: +{len(added)} products, −{len(deleted)}"
        message += f", {len(altered)} changed" if altered else ""
    return DataVersion(num_products, changed or bool(diff["not in cache"]), message)


def _products(entries: list[dict[str, str]]) -> list[PurePosixPath]:
    """The files below `data/products/<product_id>/` among a diff's paths."""
    paths = [PurePosixPath(entry["path"]) for entry in entries]
    return [path for path in paths if path.parts[:2] == ("data", "products") and len(path.parts) > 3]


@contextmanager
def sample_shop(params: CrawlParams) -> Iterator[None]:
    """Serve the sample shop for the block, if it is what is to be crawled and nothing serves it yet."""
    address = urlsplit(params.start)
    if params.source != "shop" or address.hostname not in LOOPBACK:
        yield
        return
    port = address.port or 80
    try:
        socket.create_connection((address.hostname, port), CONNECT_WITHIN_S).close()
    except OSError:
        from pvtt.shop.serve import SITE, serving

        with serving(SITE, port):
            yield
    else:
        yield


def ingest_data(workspace: Workspace, board: Board, commit: bool) -> DataVersion:
    """The ingest's steps; called by both flows, which hold the lock."""
    params = load_params(workspace.params_file)
    board.start(CRAWL)
    try:
        with sample_shop(params.crawl):
            crawl(workspace, board)
        version = add_version(workspace, check(workspace))
    except BaseException:
        board.finish(CRAWL, "failed")
        raise
    if commit and version.changed:
        made = git_commit(workspace.root, ["data.dvc", ".gitignore"], version.message)
        version = DataVersion(version.num_products, version.changed, version.message, made)
    board.finish(CRAWL, "done" if version.changed else "up to date", f"{version.num_products} products")
    return version


@flow(name="ingest")
def ingest(commit: bool = False) -> None:
    """Crawl, check, and make a new dataset version.

    Args:
        commit: Commit the new `data.dvc` with Git. Without a change there is no commit.
    """
    workspace = find_workspace()
    with hold_lock(workspace.state / "flow.lock", "ingest"), Board([CRAWL]) as board:
        version = ingest_data(workspace, board, commit)
    print(version.message if version.changed else f"Data: no change, {version.num_products} products")


@click.command(help=ingest.__doc__.partition("\n")[0] if ingest.__doc__ else None)
@click.option("--commit", is_flag=True, help="Commit the new data.dvc with Git; without a change there is no commit.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(commit: bool, debug: bool) -> None:
    with exit_with_errors(debug):
        ingest(commit)


if __name__ == "__main__":
    main()
