"""What a person is shown, and what their answer becomes."""

from __future__ import annotations

from datetime import UTC, datetime

from pvtt.decision.text import format_decision
from pvtt.errors import PvttError
from pvtt.files.git import signs_commits
from pvtt.files.workspace import Workspace
from pvtt.models.origin import model_sha256
from pvtt.params.file import Params
from pvtt.promotion.champion import describe_comparison
from pvtt.promotion.gate import Candidate
from pvtt.promotion.ledger import NO_PREVIOUS, add, commit_entry, write_samples
from pvtt.promotion.mapping import describe_changes
from pvtt.promotion.plan import describe_plan
from pvtt.promotion.tags import tag_promotions
from pvtt.records.decision import read_decision
from pvtt.records.promotion import Account, Evidence, Outcome, Promotion, SignOff, TrainingPlan

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
            describe_audit(evidence),
            describe_comparison(evidence.comparison),
            describe_changes(params),
            describe_plan(plan),
        )
    )


def describe_audit(evidence: Evidence) -> str:
    """What was computed and measured again, and what was not, as lines for a person."""
    lines = ["computed again, and they agree: summaries and decision, from the samples' own figures"]
    if evidence.audited:
        again = ", ".join(evidence.measured_again)
        lines.append(f"measured again, of {len(evidence.audited)} samples whose films are kept: {again}")
    if evidence.not_measured_again:
        why = "nothing is kept of it, or an encoder changes it too much"
        lines.append(f"not measured again ({why}): {', '.join(evidence.not_measured_again)}")
    return "\n".join(lines)


def sign_off(
    workspace: Workspace,
    outcome: Outcome,
    person: str,
    reason: str,
    account: Account | None,
    flow_run: str | None,
    draw: str | None = None,
) -> SignOff:
    """A person's word, as of now.

    Args:
        workspace: The checkout, whose signing key signs it.
        outcome: What they decided.
        person: Who they say they are.
        reason: Why.
        account: Who the machine and Git say they are; None: not known.
        flow_run: Where they were asked; None: nobody asked.
        draw: The word that draws samples after their approval.

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
        draw=draw,
    )


def record_answer(
    workspace: Workspace, answer: SignOff, candidate: Candidate, plan: TrainingPlan, slurm_profile: str
) -> Promotion:
    """Record and commit an answer, and, of an approved run, what it reached on each sample; tag it.

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
    tag_promotions(root)
    return promotion


def run_command(slurm_profile: str) -> str:
    """The commands that start the run, as a person would type them."""
    return (
        "pvtt params --promoted && "
        f"PVTT_ACCELERATE_CONFIG={SHARDING} PVTT_DISPATCH={slurm_profile} python -m flows.pipeline"
    )


def describe_champion(promotion: Promotion | None) -> str:
    """Which promotion is in force."""
    if promotion is None:
        return "No promotion is in force."
    return (
        f"In force is promotion {promotion.number}, run {promotion.run.run_id}, "
        f"evaluated at commit {promotion.evidence.commit[:12]}."
    )
