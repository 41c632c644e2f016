"""The whole pipeline: ingest, then every stage of `dvc.yaml` in DVC's order, then what it came to.

    python -m flows.pipeline          # what `make run` runs
    python -m flows.pipeline --help

A stage is redone only where DVC calls it stale, so a run without news ends after the crawl, and so does the work of
`dvc repro` and `dvc exp run`: all three run the same commands on the same cache.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from prefect import flow, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed

from flows.board import Board, Ending, announce
from flows.cancel import RunCancelledError, cancellation_check
from flows.console import exit_with_errors
from flows.environment import own_workspace
from flows.ingest import CRAWL, ingest_data
from flows.lifetime import alone
from flows.notify import notify, telling_of_failure
from flows.remote import push
from flows.result import publish_cost, publish_result
from flows.waiting import WAIT_HOURS, Patience, wait_hours_option
from pvtt.dataset.raw import missing_data
from pvtt.decision.text import format_decision
from pvtt.dispatch import gpu_watts
from pvtt.dispatch.command import StepError
from pvtt.dispatch.jobs import Jobs
from pvtt.dispatch.ledger import timestamp
from pvtt.files.git import commit as git_commit
from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from pvtt.records.decision import Decision, read_decision
from pvtt.records.process import ProgressState
from pvtt.stages.all import PROFILE_PARTS

WHAT = "data/ (which cannot be crawled again as they were), outs/ and models/"
MIRROR_EVERY_S = 3.0  # progress to Prefect
STATE_NAMES: dict[Ending, str] = {"done": "Completed", "from the cache": "Cached", "up to date": "UpToDate"}


def _was_preempted(_task: Any, _run: Any, state: Any) -> bool:
    """A stage that was killed from outside continues from its checkpoint; one that failed would fail again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StepError) and error.was_preempted


class _Mirror:
    """A stage's progress on the board and, more rarely, in Prefect."""

    def __init__(self, stage: str, board: Board) -> None:
        self._stage = stage
        self._board = board
        self._last = 0.0
        key = f"{stage.replace('_', '-')}-progress"  # lower-case letters, digits and dashes
        self._artifact: Any = create_progress_artifact(0.0, key=key, description=f"{stage}: starting")

    def __call__(self, state: ProgressState) -> None:
        self._board.update(self._stage, state)
        now = time.monotonic()
        if now - self._last >= MIRROR_EVERY_S:
            self._last = now
            self._publish(
                100 * state.done / max(1, state.total), f"{state.done}/{state.total} {state.unit} {state.note}"
            )

    def finish(self, ending: Ending) -> None:
        self._publish(100.0, ending)

    def _publish(self, percent: float, text: str) -> None:
        update_progress_artifact(self._artifact, percent, description=f"{self._stage}: {text}".rstrip())


@task(
    task_run_name="{stage}",
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=_was_preempted,
    cache_policy=NO_CACHE,
)
def reproduce(stage: str, stale: bool, patience: Patience, board: Board) -> State[Any]:
    """Bring one stage of `dvc.yaml` up to date. One that isn't stale costs nothing."""
    ending: Ending = "up to date"
    if stale:
        board.start(stage)
        mirror = _Mirror(stage, board)
        try:
            printed = patience.run_dvc(stage, ["repro", "--single-item", stage], mirror)
        except BaseException:
            board.finish(stage, "failed")
            raise
        if f"Running stage '{stage}'" in printed:
            ending = "done"
        elif "is cached" in printed:
            ending = "from the cache"
        mirror.finish(ending)
    board.finish(stage, ending)
    return Completed(name=STATE_NAMES[ending], message=f"{stage}: {ending}")


@flow(name="pipeline")
def pipeline(ingest: bool = True, commit: bool = False, wait_hours: float = WAIT_HOURS) -> State[Any] | None:
    """Crawl, bring every stage up to date, and say what came of it.

    Args:
        ingest: Crawl first. Without it, `data/` is taken as it is.
        commit: Commit a new data version before the stages run, and their lock file and metrics after it, with Git.
        wait_hours: How long to wait for whoever else is at work in the checkout.
    """
    try:
        with telling_of_failure():
            workspace = own_workspace()
            load_params(workspace.params_file)  # a wrong one is refused before anything starts
            patience = Patience(workspace, announce, wait_hours, cancellation_check())
            watts = gpu_watts(workspace.root, PROFILE_PARTS)  # as is a wrong profile
            with alone(patience, "the pipeline"):
                since = timestamp()
                try:
                    decision, warning = _run(patience, ingest, commit)
                except Exception:
                    with suppress(Exception):  # the run's own error is what counts
                        publish_cost(Jobs(workspace).costs(watts, since))
                    raise
                publish_cost(Jobs(workspace).costs(watts, since))
    except RunCancelledError as error:
        return Cancelled(message=error.message)
    click.echo("\n" + format_decision(decision, str(_report(workspace))))
    if warning:
        click.echo("\n" + warning)
        get_run_logger().warning(warning)
    text = f"{decision.verdict}: {decision.reason} (run {decision.run_id})"
    notify("verdict", text, verdict=decision.verdict, run_id=decision.run_id, warning=warning)
    return None


def _report(workspace: Workspace) -> Path:
    return workspace.out("report") / "report.html"


def _run(patience: Patience, ingest: bool, commit: bool) -> tuple[Decision, str | None]:
    """The run; returns its verdict, and what is to be said of the place that its data are kept in."""
    workspace = patience.workspace
    graph = patience.graph()
    with Board([CRAWL, *graph.order] if ingest else graph.order) as board:
        patience = replace(patience, say=partial(announce, board=board))
        if not ingest and not workspace.data.is_dir():
            raise missing_data(workspace)
        if ingest and ingest_data(patience, board, commit).changed:
            graph = patience.graph()
        stale = graph.stale
        for stage in graph.order:
            reproduce(stage, stage in stale, patience, board)
    decision = read_decision(workspace.metrics / "decision.json")
    publish_result(decision, _report(workspace))
    if not commit:
        return decision, None
    pushed = push(patience, WHAT)
    message = pushed.message(f"Run {decision.run_id}: {decision.verdict}")
    git_commit(workspace.root, ["dvc.lock", "metrics"], message)
    return decision, pushed.warning


@click.command()
@click.option("--ingest/--no-ingest", default=True, help="Crawl first, or take data/ as it is.  [default: --ingest]")
@click.option("--commit", is_flag=True, help="Commit the new data.dvc, and the run's dvc.lock and metrics, with Git.")
@wait_hours_option
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(ingest: bool, commit: bool, wait_hours: float, debug: bool) -> None:
    """Run the whole pipeline: crawl, clip, segment, photos, validate, encode, train, evaluate, decide, report.

    Only what is stale is redone. Run it again after an error, a kill or a change of params.yaml, and it continues.
    The work runs where PVTT_DISPATCH says: `local` (the default), or a profile of infra/slurm. Nothing has to be
    running: without PREFECT_API_URL, a temporary Prefect server serves this run. Each stage's output is kept in
    .pvtt/logs.

    \b
    Exit codes: 0 done, whatever the verdict; 1 a stage failed; 2 params.yaml is wrong; 3 an input is missing;
    4 too many items failed; 5 another run holds the lock; 6 the data did not pass validation; 7 the disk is full;
    8 other code than this folder's would run; 130 interrupted.
    """
    if sys.stderr.isatty():
        print("Starting ...", file=sys.stderr)  # Prefect's server takes a few seconds
    with exit_with_errors(debug):
        pipeline(ingest, commit, wait_hours)


if __name__ == "__main__":
    main()
