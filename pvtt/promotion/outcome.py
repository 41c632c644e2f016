"""What a person is shown, what their answer becomes, and how it is taken back."""

from __future__ import annotations

from datetime import UTC, datetime

from pvtt.decision.text import format_decision
from pvtt.errors import GateShutError, PvttError
from pvtt.files.git import signs_commits
from pvtt.files.workspace import Workspace
from pvtt.models.origin import model_sha256
from pvtt.params.file import Params
from pvtt.promotion.champion import describe_comparison
from pvtt.promotion.gate import Candidate, own_account
from pvtt.promotion.ledger import NO_PREVIOUS, PROMOTIONS, add, commit_entry, in_force, read_promotions, write_samples
from pvtt.promotion.mapping import describe_changes
from pvtt.promotion.plan import describe_plan
from pvtt.records.decision import read_decision
from pvtt.records.promotion import Account, Outcome, Promotion, Rollback, SignOff, TrainingPlan

SHARDING = "infra/accelerate/fsdp2.yaml"


def summarise_candidate(workspace: Workspace, candidate: Candidate, params: Params, plan: TrainingPlan) -> str:
    """All that a person decides on.

    Args:
        workspace: The checkout.
        candidate: The run.
        params: Its own.
        plan: Of the 14B run.
    """
    evidence = candidate.evidence
    return "\n\n".join(
        (
            format_decision(read_decision(workspace.metrics / "decision.json")),
            f"computed again: figures and decision agree, and so do the kept films of {len(evidence.audited)} samples",
            describe_comparison(evidence.comparison),
            describe_changes(params),
            describe_plan(plan),
        )
    )


def sign_off(
    workspace: Workspace, outcome: Outcome, person: str, reason: str, account: Account | None, flow_run: str | None
) -> SignOff:
    """A person's word, as of now.

    Args:
        workspace: The checkout, whose signing key signs it.
        outcome: What they decided.
        person: Who they say they are.
        reason: Why.
        account: Who the machine and Git say they are; None: not known.
        flow_run: Where they were asked; None: nobody asked.

    Raises:
        PvttError: The person or the reason is empty.
    """
    person, reason = person.strip(), reason.strip()
    if not person or not reason:
        raise PvttError(f"the {'reason' if person else 'person'} is empty", "it stays on record: say who and why")
    return SignOff(
        outcome=outcome,
        person=person,
        account=account,
        reason=reason,
        decided_at=datetime.now(UTC).isoformat(timespec="seconds"),
        flow_run=flow_run,
        signed=signs_commits(workspace.root),
    )


def record_answer(
    workspace: Workspace, answer: SignOff, candidate: Candidate, plan: TrainingPlan, slurm_profile: str
) -> Promotion:
    """Record and commit an answer, and, of an approved run, what it reached on each sample.

    Args:
        workspace: The checkout.
        answer: The person's.
        candidate: The run.
        plan: Of the 14B run.
        slurm_profile: Where that is to be.

    Raises:
        PvttError: Earlier promotions are not what was recorded, or Git refuses the commit.
    """
    root, run = workspace.root, candidate.run
    approved = answer.outcome == "approved"
    promotion = Promotion(
        number=1,
        previous=NO_PREVIOUS,
        sign_off=answer,
        run=run,
        transformer_sha256=model_sha256(root / run.model / "transformer"),
        samples_sha256=write_samples(root, run.run_id, candidate.samples) if approved else None,
        evidence=candidate.evidence,
        plan=plan,
        command=run_command(slurm_profile),
    )
    promotion = add(workspace, promotion)
    commit_entry(workspace, promotion)
    return promotion


def run_command(slurm_profile: str) -> str:
    """The commands that start the run, as a person would type them."""
    return (
        "pvtt params --promoted && "
        f"PVTT_ACCELERATE_CONFIG={SHARDING} PVTT_DISPATCH={slurm_profile} python -m flows.pipeline"
    )


def roll_back(workspace: Workspace, person: str, reason: str) -> Rollback:
    """Take the promotion in force back. Both lines stay on record, and the one before it is in force again.

    Args:
        workspace: The checkout.
        person: Who takes it back: anyone may, since a stop must not wait for a second person.
        reason: Why.

    Raises:
        GateShutError: Nothing is in force.
        PvttError: The person or reason is empty, or the record is not what it was.
    """
    champion = in_force(read_promotions(workspace.root))
    if champion is None:
        raise GateShutError("no promotion is in force: there is nothing to roll back", f"read {PROMOTIONS}")
    word = sign_off(workspace, "rolled_back", person, reason, own_account(workspace), None)
    rollback = add(workspace, Rollback(number=1, previous=NO_PREVIOUS, sign_off=word, withdraws=champion.number))
    commit_entry(workspace, rollback)
    return rollback


def describe_champion(promotion: Promotion | None) -> str:
    """Which promotion is in force, and how to have its model back."""
    if promotion is None:
        return "No promotion is in force."
    commit = promotion.evidence.commit[:12]
    return (
        f"In force is promotion {promotion.number}, run {promotion.run.run_id}. Its model and params come back with\n"
        f"  dvc get . {promotion.run.model} --rev {commit} -o models/champion\n"
        f"  git checkout {commit} -- params.yaml"
    )
