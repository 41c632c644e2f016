"""The gate between the proof of concept and the 14B run: evidence, plan, a person's approval, a signed-off record.

    python -m flows.promote check                 # would the gate open? nobody is asked, nothing is written
    python -m flows.promote                       # asks, and waits for a person
    python -m flows.promote approve RUN --person NAME --reason TEXT
    python -m flows.promote refuse RUN --person NAME --reason TEXT
    python -m flows.promote rollback --person NAME --reason TEXT

It waits in a Prefect pause. A refusal may also be given on the run's page of a Prefect server.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

import click
from prefect import flow
from prefect.exceptions import FlowPauseTimeout, ObjectNotFound
from prefect.flow_runs import pause_flow_run, resume_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field, ValidationError

from flows.board import announce
from flows.console import exit_with_errors
from flows.environment import own_workspace
from flows.notify import notify
from flows.waiting import Patience
from flows.watcher import VARIABLE
from pvtt.dispatch.command import command_environment
from pvtt.dispatch.profile import load_profile
from pvtt.errors import GateShutError, MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params, load_params
from pvtt.promotion.gate import (
    Candidate,
    measured_twice,
    own_account,
    read_candidate,
    require_another_person,
    require_open,
)
from pvtt.promotion.ledger import PROMOTIONS, in_force, read_promotions
from pvtt.promotion.mapping import promoted_params, write_promoted_params
from pvtt.promotion.outcome import SHARDING, describe_champion, record_answer, sign_off, summarise_candidate
from pvtt.promotion.plan import plan_on, require_fit
from pvtt.promotion.rollback import CHAMPION, read_pending, roll_back, steps
from pvtt.records.promotion import Account, Promotion, SignOff, TrainingPlan
from pvtt.stages.all import PROFILE_PARTS

SLURM_PROFILE = "infra/slurm/h800.yaml"
POLL_EVERY_S = 5

NonBlank = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Approval(RunInput):
    """What the gate asks a person."""

    outcome: Literal["approved", "refused"]
    person: NonBlank = Field(description="Your name: it stays on record")
    reason: NonBlank = Field(description="Why: it stays on record")
    account: Account | None = Field(default=None, description="Left empty here: the command `approve` fills it in")
    draw: str | None = Field(default=None, min_length=32, description="The same")


@flow(name="promote")
def promote(slurm_profile: str = SLURM_PROFILE, start: bool = False, timeout_hours: float = 72.0) -> None:
    """Check the evidence and the plan, ask a person, record the answer, and, if asked to, start the 14B run.

    Args:
        slurm_profile: Where the run is to be: its GPUs and time limits are what the plan must fit.
        start: Start the run after approval. Otherwise its command is printed.
        timeout_hours: How long to wait for the answer. Without one nothing is promoted.
    """
    workspace = own_workspace()
    asked_by = own_account(workspace)
    candidate = _open_gate(workspace)
    params = load_params(workspace.params_file)
    plan = _require_plan(workspace, params, slurm_profile)
    if start:
        _require_base(workspace, promoted_params(params))
    summary = summarise_candidate(workspace, candidate, params, plan)
    print(summary)
    print(
        f"\nWaiting {timeout_hours:g} hours for another person. They answer in their own login and Git identity:\n"
        f"  python -m flows.promote approve {flow_run.id} --person NAME --reason TEXT\n"
        f"  python -m flows.promote refuse {flow_run.id} --person NAME --reason TEXT",
        flush=True,
    )
    notify("approval", f"a promotion waits {timeout_hours:g} hours for another person's answer", summary=summary)
    word = _ask(workspace, summary, timeout_hours)
    promotion = settle(workspace, word, candidate, asked_by, plan, slurm_profile)
    print(f"\n{word.outcome} by {word.person}: {word.reason} ({PROMOTIONS}, number {promotion.number})")
    if not word.signed:
        print("The record is unsigned: Git has no signing key here (user.signingKey).")
    if word.outcome == "approved":
        _start(workspace, slurm_profile) if start else print(f"\nThe run starts with\n  {promotion.command}")


def settle(
    workspace: Workspace, word: SignOff, candidate: Candidate, asked_by: Account, plan: TrainingPlan, slurm_profile: str
) -> Promotion:
    """Record an answer, if whoever gave it may give it and the gate is open to the same run still.

    Args:
        workspace: The checkout.
        word: The answer.
        candidate: The run, as the person was shown it.
        asked_by: Who started the promotion.
        plan: Of the 14B run.
        slurm_profile: Where that is to be.

    Raises:
        GateShutError: The approver is one of those who submitted or asked, or the gate is shut by now: to other
            results, or by films that their word draws.
        PvttError: As `record_answer`.
    """
    if word.outcome == "approved":
        require_another_person(word.account, (*candidate.evidence.submitters, asked_by))
        if word.draw is None:
            raise GateShutError("the approval draws no samples", "approve with `python -m flows.promote approve`")
        now = _open_gate(workspace, word.draw, candidate.evidence.audited)
    else:
        now = _open_gate(workspace)
    evidence = measured_twice(candidate.evidence, now.evidence)
    return record_answer(workspace, word, replace(candidate, evidence=evidence), plan, slurm_profile)


def _open_gate(workspace: Workspace, word: str = "", measured: Collection[str] = ()) -> Candidate:
    candidate = read_candidate(workspace, Patience(workspace, announce, hours=0).graph().stale, word, measured)
    require_open(candidate.evidence)
    return candidate


def check(slurm_profile: str = SLURM_PROFILE) -> str:
    """Look at everything the gate looks at before it asks; returns what it would show.

    Raises:
        PvttError: The gate is shut, and why.
    """
    workspace = own_workspace()
    candidate = _open_gate(workspace)
    params = load_params(workspace.params_file)
    return summarise_candidate(workspace, candidate, params, _require_plan(workspace, params, slurm_profile))


def _require_plan(workspace: Workspace, params: Params, slurm_profile: str) -> TrainingPlan:
    """The plan on the profile's GPUs. Raises `GateShutError` where it doesn't fit."""
    plan = plan_on(load_profile(workspace.root / slurm_profile, PROFILE_PARTS), promoted_params(params))
    require_fit(plan, slurm_profile)
    return plan


def _require_base(workspace: Workspace, params: Params) -> None:
    base = workspace.root / params.model.base
    if not (base / "model_index.json").is_file():
        raise MissingInputError(
            f"{base} is missing: the base of the 14B run",
            "put Wan2.1-T2V-14B in Diffusers layout there, or promote without --start",
        )


def _ask(workspace: Workspace, summary: str, timeout_hours: float) -> SignOff:
    """Pause this run until a person answers."""
    question = Approval.with_initial_data(description=f"```\n{summary}\n```")
    try:
        answer = pause_flow_run(question, timeout=max(1, round(timeout_hours * 3600)), poll_interval=POLL_EVERY_S)
    except FlowPauseTimeout:
        raise GateShutError(
            f"nobody answered within {timeout_hours:g} hours: nothing is promoted", "start the promotion again"
        ) from None
    run = str(flow_run.id)
    return sign_off(workspace, answer.outcome, answer.person, answer.reason, answer.account, run, answer.draw)


def _start(workspace: Workspace, slurm_profile: str) -> None:
    """Start the pipeline with the 14B run's params, in a session of its own that outlives this one."""
    write_promoted_params(workspace)
    environment = {name: value for name, value in command_environment().items() if name != VARIABLE}
    log = workspace.state / "logs" / "promoted.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.pipeline"],
            cwd=workspace.root,
            env=environment | {"PVTT_ACCELERATE_CONFIG": SHARDING, "PVTT_DISPATCH": slurm_profile},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    print(f"\nStarted as process {process.pid}; follow it with\n  tail -f {log}")


def answer(flow_run: UUID, outcome: Literal["approved", "refused"], person: str, reason: str) -> None:
    """Give a waiting promotion its answer.

    Raises:
        PvttError: The answer lacks something, or no promotion waits under this id.
    """
    try:
        account = own_account(own_workspace())
        draw = secrets.token_hex(16) if outcome == "approved" else None
        approval = Approval(outcome=outcome, person=person, reason=reason, account=account, draw=draw)
    except ValidationError as error:
        raise PvttError(f"{error.errors()[0]['loc'][0]} is empty", "it stays on record: say who and why") from None
    try:
        resume_flow_run(flow_run, run_input=approval.model_dump())
    except (ObjectNotFound, RuntimeError) as error:
        raise PvttError(
            f"promotion {flow_run} doesn't wait for an answer: {error}",
            "copy the id that `python -m flows.promote` printed, and use its PREFECT_API_URL if it has one",
        ) from None
    print(f"{outcome}; the promotion goes on within {POLL_EVERY_S} s")


@click.group(invoke_without_command=True)
@click.option("--slurm-profile", default=SLURM_PROFILE, show_default=True, help="Where the 14B run is to be.")
@click.option("--start", is_flag=True, help="Start the run after approval instead of printing its command.")
@click.option("--timeout-hours", default=72.0, show_default=True, help="How long to wait for the answer.")
@click.pass_context
def main(context: click.Context, slurm_profile: str, start: bool, timeout_hours: float) -> None:
    """Promote the evaluated run to 14B: check the gate and the plan, wait for another person, record the answer.

    The gate opens only on the verdict success, with everything that was evaluated committed: code, params, data version
    and metrics; with figures that agree with what they were computed from; and on a step forward from the champion.
    Each answer, either way, becomes a line of promotions/promotions.jsonl and a commit. Exit code 9: it stays shut.
    """
    if context.invoked_subcommand is None:
        with exit_with_errors():
            promote(slurm_profile, start, timeout_hours)


def _answering(name: str, outcome: Literal["approved", "refused"]) -> None:
    @main.command(name)
    @click.argument("run", type=click.UUID)
    @click.option("--person", required=True, help="Your name; it stays on record.")
    @click.option("--reason", required=True, help="Why; it stays on record.")
    def command(run: UUID, person: str, reason: str) -> None:
        """Answer a waiting promotion, whose id it has printed."""
        with exit_with_errors():
            answer(run, outcome, person, reason)


@main.command("check")
@click.option("--slurm-profile", default=SLURM_PROFILE, show_default=True, help="Where the 14B run is to be.")
def check_command(slurm_profile: str) -> None:
    """Would the gate open? Nobody is asked, and nothing is written."""
    with exit_with_errors():
        click.echo(f"{check(slurm_profile)}\n\nThe gate would open to another person's approval.")


@main.command("rollback")
@click.option("--person", help="Your name; it stays on record.")
@click.option("--reason", help="Why; it stays on record.")
@click.option("--record-only", is_flag=True, help="Leave models/champion and params.yaml as they are.")
@click.option("--dry-run", is_flag=True, help="Print what would be done; nothing is written.")
def rollback_command(person: str | None, reason: str | None, record_only: bool, dry_run: bool) -> None:
    """Take the promotion in force back, and put the one before it back: record, params and model. Nothing is deleted.

    Killed on the way, the same command finishes it.
    """
    with exit_with_errors():
        if dry_run:
            click.echo("\n".join(steps(own_workspace(), record_only=record_only)))
        else:
            click.echo(rollback(own_workspace(), person or "", reason or "", record_only))


def rollback(workspace: Workspace, person: str, reason: str, record_only: bool) -> str:
    """Roll back; returns what to tell a person. Raises as `roll_back`."""
    begun = read_pending(workspace)
    done = roll_back(workspace, person, reason, record_only=record_only)
    champion = in_force(read_promotions(workspace.root))
    lines = [f"Promotion {done.withdraws} is rolled back ({PROMOTIONS}, number {done.number})."]
    if begun is not None:
        lines = [f"Finished the rollback that {done.sign_off.person} began: {lines[0]}"]
    lines.append(describe_champion(champion))
    if champion is not None and not record_only:
        lines.append(f"Its model is in {CHAMPION}, its params are params.yaml; `train.start: champion` continues it.")
    return "\n".join(lines)


_answering("approve", "approved")
_answering("refuse", "refused")


if __name__ == "__main__":
    main()
