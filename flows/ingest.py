"""Shop → new dataset version: crawl, check the raw data, `dvc add data`, and, when scheduled, commit `data.dvc`.

    python -m flows.ingest --commit

Crawled data cannot be made again, so it is no DVC stage: it is what the stages start from.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import click
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import task_run
from prefect.states import Cancelled

from flows.board import Board, announce
from flows.cancel import RunCancelledError, cancellation_check
from flows.console import exit_with_errors
from flows.environment import own_workspace
from flows.lifetime import alone
from flows.notify import telling_of_failure
from flows.remote import Push, push
from flows.waiting import WAIT_HOURS, Patience, wait_hours_option
from pvtt.dataset.raw import check_raw_data
from pvtt.dispatch.command import StepError, run_step
from pvtt.errors import PvttError
from pvtt.files.git import commit as git_commit
from pvtt.files.git import uncommitted
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.params.file import load_params
from pvtt.records.catalog import PRODUCT_FILE

CRAWL = "crawl"
WHAT = "data/ (which cannot be crawled again as they were)"
SAMPLE_SHOP = str(CrawlParams.model_fields["start"].default)
CONNECT_WITHIN_S = 2.0
CRAWL_RETRY_S = [10.0, 60.0]


@dataclass(frozen=True)
class DataVersion:
    """What an ingest brought.

    Args:
        num_products: Products that `data/` holds after the change.
        changed: Whether `data.dvc` is another than before.
        message: Of the commit, for example `Data: +3 products, −0`; None where none was asked for or needed.
        warning: What is to be said of the place that the data are kept in; None where nothing is.
    """

    num_products: int
    changed: bool
    message: str | None
    warning: str | None


def _passes(error: Any) -> bool:
    """A shop that does not answer is tried again; wrong params or a spent failure budget are not."""
    return isinstance(error, StepError) and (error.exit_code == PvttError.exit_code or error.was_preempted)


@task(
    retries=len(CRAWL_RETRY_S),
    retry_delay_seconds=CRAWL_RETRY_S,
    retry_condition_fn=lambda _task, _run, state: _passes(state.result(raise_on_failure=False)),
    cache_policy=NO_CACHE,
)
def crawl(patience: Patience, board: Board) -> None:
    """Bring `data/` up to date with its source."""
    try:
        run_step(
            patience.workspace,
            CRAWL,
            ["pvtt", "crawl"],
            lambda state: board.update(CRAWL, state),
            on_poll=patience.check,
        )
    except StepError as error:
        if _passes(error) and task_run.run_count <= len(CRAWL_RETRY_S):
            board.say(f"{error.message}: trying again in {CRAWL_RETRY_S[task_run.run_count - 1]:.0f} s")
        raise


@task(cache_policy=NO_CACHE)
def check(workspace: Workspace) -> int:
    """Check every record and file of `data/`; returns the number of products."""
    return check_raw_data(workspace)


@task(cache_policy=NO_CACHE)
def add_version(patience: Patience) -> bool:
    """`dvc add data`; returns whether that made another version."""
    pointer = patience.workspace.root / "data.dvc"
    before = pointer.read_bytes() if pointer.is_file() else None
    patience.run_dvc("dvc-add", ["add", "--quiet", "data"])
    return pointer.read_bytes() != before


@task(cache_policy=NO_CACHE)
def commit_version(patience: Patience, num_products: int, pushed: Push) -> str | None:
    """Commit `data.dvc` with Git, if it differs from HEAD's; returns the message."""
    workspace = patience.workspace
    if not uncommitted(workspace.root, "data.dvc"):
        return None
    answer = patience.run_dvc("dvc-diff", ["diff", "--json", "HEAD", "--targets", "data"])
    message = describe_changes(json.loads(answer.splitlines()[-1]), num_products)
    git_commit(workspace.root, ["data.dvc"], pushed.message(message))
    return message


def describe_changes(diff: dict[str, list[dict[str, str]]], num_products: int) -> str:
    """A dataset version in one line, from `dvc diff --json` against the version before."""
    if diff["not in cache"]:  # the list of the earlier version's files is on another machine
        return f"Data: {num_products} products"
    files = {kind: _product_files(diff[kind]) for kind in ("added", "deleted", "modified")}
    added, deleted = (
        {path.parts[2] for path in files[kind] if path.name == PRODUCT_FILE} for kind in ("added", "deleted")
    )
    changed = {path.parts[2] for paths in files.values() for path in paths} - added - deleted
    return f"Data: +{len(added)} products, −{len(deleted)}" + (f", {len(changed)} changed" if changed else "")


def _product_files(entries: list[dict[str, str]]) -> list[PurePosixPath]:
    """The files below `data/products/<product_id>/` among a diff's paths."""
    paths = [PurePosixPath(entry["path"]) for entry in entries]
    return [path for path in paths if path.parts[:2] == ("data", "products") and len(path.parts) > 3]


@contextmanager
def sample_shop(params: CrawlParams) -> Iterator[None]:
    """Serve the sample shop for the block, if it is what is to be crawled and nothing serves it yet.

    Its address is the default of `crawl.start`; any other on this machine is a shop of the user's own.
    """
    address = urlsplit(params.start)
    if params.source != "shop" or params.start != SAMPLE_SHOP:
        yield
        return
    port = address.port or 80
    try:
        socket.create_connection((address.hostname, port), CONNECT_WITHIN_S).close()
    except OSError:
        from pvtt.builtin.shop.serve import SITE, serving

        with serving(SITE, port):
            yield
    else:
        yield


def ingest_data(patience: Patience, board: Board, commit: bool) -> DataVersion:
    """The ingest's steps; called by both flows, which hold the lock."""
    workspace = patience.workspace
    patience.for_work()  # what a stage reads must not change under it
    params = load_params(workspace.params_file)
    board.start(CRAWL)
    try:
        with sample_shop(params.crawl):
            crawl(patience, board)
        num_products = check(workspace)
        changed = add_version(patience)
        pushed = push(patience, WHAT, "data.dvc") if commit else None
        message = commit_version(patience, num_products, pushed) if pushed else None
    except BaseException:
        board.finish(CRAWL, "failed")
        raise
    board.finish(CRAWL, "done" if changed else "up to date", f"{num_products} products")
    return DataVersion(num_products, changed, message, pushed.warning if pushed else None)


@flow(name="ingest")
def ingest(commit: bool = False, wait_hours: float = WAIT_HOURS) -> State[Any] | None:
    """Crawl, check, and make a new dataset version.

    Args:
        commit: Commit the new `data.dvc` with Git. Without a change there is no commit.
        wait_hours: How long to wait for whoever else is at work in the checkout.
    """
    workspace = own_workspace()
    patience = Patience(workspace, announce, wait_hours, cancellation_check())
    try:
        with telling_of_failure(), alone(patience, "the ingest"), Board([CRAWL]) as board:
            version = ingest_data(replace(patience, say=partial(announce, board=board)), board, commit)
    except RunCancelledError as error:
        return Cancelled(message=error.message)
    if version.message:
        print(f"Committed: {version.message}")
    elif version.changed:
        print("data.dvc is a new version; commit it with `git commit data.dvc`, or use --commit")
    if version.warning:
        print(version.warning)
        get_run_logger().warning(version.warning)
    return None


@click.command(help=ingest.__doc__.partition("\n")[0] if ingest.__doc__ else None)
@click.option("--commit", is_flag=True, help="Commit the new data.dvc with Git; without a change there is no commit.")
@wait_hours_option
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(commit: bool, wait_hours: float, debug: bool) -> None:
    with exit_with_errors(debug):
        ingest(commit, wait_hours)


if __name__ == "__main__":
    main()
