"""The gate between the proof of concept and the 14B run: evidence, plan, a person's approval, a signed-off record.

    python -m flows.promote                       # asks, and waits for a person
    python -m flows.promote approve RUN --person NAME --reason TEXT
    python -m flows.promote refuse RUN --person NAME --reason TEXT

It waits in a Prefect pause, so the answer may also be given on the run's page of a Prefect server.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import click
from prefect import flow
from prefect.exceptions import FlowPauseTimeout, ObjectNotFound
from prefect.flow_runs import pause_flow_run, resume_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field, ValidationError

from flows.console import exit_with_errors
from flows.environment import own_workspace
from flows.graph import read_graph
from pvtt.decision.text import format_decision
from pvtt.dispatch.command import command_environment
from pvtt.dispatch.profile import load_profile
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.git import account
from pvtt.files.git import commit as git_commit
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.params.profiles import apply_profile, overlaid_params
from pvtt.promotion.gate import PROMOTIONS, gather_evidence, record_promotion, require_open
from pvtt.promotion.plan import WAN_14B, Cluster, describe_plan, plan_training
from pvtt.records.decision import read_decision
from pvtt.records.promotion import Evidence, Promotion, SignOff, TrainingPlan
from pvtt.stages.all import STAGE_NAMES

PROFILE = "prod"
SLURM_PROFILE = "infra/slurm/h800.yaml"
SHARDING = "infra/accelerate/fsdp2.yaml"
POLL_EVERY_S = 5

NonBlank = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Approval(RunInput):
    """What the gate asks a person."""

    outcome: Literal["approved", "refused"]
    person: NonBlank = Field(description="Your name: it stays on record")
    reason: NonBlank = Field(description="Why: it stays on record")


@flow(name="promote")
def promote(slurm_profile: str = SLURM_PROFILE, start: bool = False, timeout_hours: float = 72.0) -> None:
    """Check the evidence and the plan, ask a person, record the answer, and, if asked to, start the 14B run.

    Args:
        slurm_profile: Where the run is to be: its GPUs and time limits are what the plan must fit.
        start: Start the run after approval. Otherwise its command is printed.
        timeout_hours: How long to wait for the answer.
    """
    workspace = own_workspace()
    evidence = _open_gate(workspace)
    params = overlaid_params(workspace.params_file, workspace.root / "infra" / "profiles", PROFILE)
    plan = _require_plan(workspace, params, slurm_profile)
    if start:
        _require_base(workspace, params)
    decision = format_decision(read_decision(workspace.metrics / "decision.json"))
    summary = f"{decision}\n\n{describe_plan(plan)}"
    print(summary)
    print(
        f"\nWaiting {timeout_hours:g} hours for a person. Answer on the run's page in Prefect, or in this folder:\n"
        f"  python -m flows.promote approve {flow_run.id} --person NAME --reason TEXT\n"
        f"  python -m flows.promote refuse {flow_run.id} --person NAME --reason TEXT",
        flush=True,
    )
    sign_off = _ask(workspace, summary, timeout_hours)
    if _open_gate(workspace) != evidence:
        raise PvttError("the results changed while the gate waited: nothing was recorded", "start the promotion again")
    command = run_command(slurm_profile)
    promotion = record_promotion(workspace, sign_off, evidence, plan, command)
    git_commit(workspace.root, [PROMOTIONS.as_posix()], _commit_message(promotion))
    print(f"\n{sign_off.outcome} by {sign_off.person}: {sign_off.reason} ({PROMOTIONS}, number {promotion.number})")
    if sign_off.outcome == "approved":
        _start(workspace, slurm_profile) if start else print(f"\nThe run starts with\n  {command}")


def _open_gate(workspace: Workspace) -> Evidence:
    evidence = gather_evidence(workspace, read_graph(workspace.root).stale)
    require_open(evidence)
    return evidence


def _require_plan(workspace: Workspace, params: Params, slurm_profile: str) -> TrainingPlan:
    """The plan on the profile's GPUs. Raises `PvttError` where it doesn't fit."""
    profile = load_profile(workspace.root / slurm_profile, STAGE_NAMES)
    cluster = Cluster(num_gpus=max(1, profile.run.nodes * profile.run.gpus_per_node))
    hours = profile.run.minutes * (1 + profile.requeue.max_timeouts) / 60
    plan = plan_training(params, WAN_14B, cluster, max_stage_hours=hours)
    if plan.faults:
        raise PvttError(
            f"the {PROFILE} run doesn't fit {slurm_profile}: {'; '.join(plan.faults)}",
            f"change infra/profiles/{PROFILE}.yaml or {slurm_profile}",
        )
    return plan


def _require_base(workspace: Workspace, params: Params) -> None:
    base = workspace.root / params.model.base
    if not (base / "model_index.json").is_file():
        raise MissingInputError(
            f"{base} is missing: the base of the {PROFILE} profile",
            "put Wan2.1-T2V-14B in Diffusers layout there, or promote without --start",
        )


def _ask(workspace: Workspace, summary: str, timeout_hours: float) -> SignOff:
    """Pause this run until a person answers."""
    question = Approval.with_initial_data(description=f"```\n{summary}\n```")
    try:
        answer = pause_flow_run(question, timeout=int(timeout_hours * 3600), poll_interval=POLL_EVERY_S)
    except FlowPauseTimeout:
        raise PvttError(f"nobody answered within {timeout_hours:g} hours", "start the promotion again") from None
    return SignOff(
        outcome=answer.outcome,
        person=answer.person.strip(),
        account=account(workspace.root),
        reason=answer.reason.strip(),
        decided_at=datetime.now(UTC).isoformat(timespec="seconds"),
        flow_run=str(flow_run.id),
    )


def _commit_message(promotion: Promotion) -> str:
    sign_off = promotion.sign_off
    return f"Promotion of run {promotion.evidence.run_id}: {sign_off.outcome} by {sign_off.person}\n\n{sign_off.reason}"


def run_command(slurm_profile: str) -> str:
    """The commands that start the run, as a person would type them."""
    return (
        f"pvtt params --profile {PROFILE} && "
        f"PVTT_ACCELERATE_CONFIG={SHARDING} PVTT_DISPATCH={slurm_profile} python -m flows.pipeline"
    )


def _start(workspace: Workspace, slurm_profile: str) -> None:
    """Start the pipeline with the profile, in a session of its own that outlives this one."""
    apply_profile(workspace.params_file, workspace.root / "infra" / "profiles", PROFILE)
    log = workspace.state / "logs" / "promoted.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.pipeline"],
            cwd=workspace.root,
            env=command_environment() | {"PVTT_ACCELERATE_CONFIG": SHARDING, "PVTT_DISPATCH": slurm_profile},
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
        approval = Approval(outcome=outcome, person=person, reason=reason)
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
    """Promote the evaluated run to 14B: check the gate and the plan, wait for a person, record the answer.

    The gate opens only on the verdict success, with everything that was evaluated committed: code, params, data version
    and metrics. Each answer, either way, becomes a line of promotions/promotions.jsonl and a commit.
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


_answering("approve", "approved")
_answering("refuse", "refused")


if __name__ == "__main__":
    main()
