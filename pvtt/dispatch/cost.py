"""What a checkout's Slurm jobs have cost: GPU-hours by stage from the ledger, and energy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pvtt.dispatch import controller
from pvtt.dispatch.ledger import Attempt, Ledger, Submission, SubmissionState
from pvtt.records.base import Record

JOULES_PER_KWH = 3.6e6
EnergySource = Literal["accounting", "watts"]
ENERGY_WORDS: dict[EnergySource, str] = {
    "accounting": "Slurm's ConsumedEnergy, whole nodes",
    "watts": "gpu_watts of the profile × GPU-hours",
}


COLUMNS = ("stage", "submissions", "useful GPU-h", "failed GPU-h", "GPU-h at work", "kWh", "by")


class StageCost(Record):
    """What the jobs of one stage have cost, all starts together.

    `useful` are GPU-hours of starts that ended with their work done; `failed` of those that ended otherwise: died,
    cancelled, preempted, out of time, or with an error. Of a preempted one, what it had finished is kept all the same.
    """

    stage: str
    submissions: int
    useful: float
    failed: float
    at_work: float  # GPU-hours until now of starts that have not ended
    kwh: float | None
    energy_from: EnergySource | None

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row below `COLUMNS`."""
        hours = (f"{value:.2f}" for value in (self.useful, self.failed, self.at_work))
        energy = (
            ("not known", "") if self.kwh is None else (f"{self.kwh:.2f}", ENERGY_WORDS[self.energy_from or "watts"])
        )
        return (self.stage, str(self.submissions), *hours, *energy)


def stage_costs(
    ledger: Ledger, gpu_watts: float | None, since: str = "", now: datetime | None = None
) -> list[StageCost]:
    """The cost of each stage that has sent jobs, in the order of their first.

    Energy is what Slurm has measured (`ConsumedEnergy`, whole nodes) for all of a stage's jobs; where it does not say,
    `gpu_watts` × GPU-hours; None where neither is known.

    Args:
        ledger: Of the checkout.
        gpu_watts: Of a GPU at work, with its share of the node; None: not known.
        since: Only submissions that were sent, or were still open, from then on (UTC, ISO 8601).
        now: Until when starts that have not ended are counted.
    """
    end = now or datetime.now(UTC)
    by_stage: dict[str, list[Submission]] = {}
    for submission in ledger.submissions():
        if max(submission.submitted_at, submission.closed_at or submission.submitted_at) >= since or submission.is_open:
            by_stage.setdefault(submission.stage, []).append(submission)
    return [_cost(stage, submissions, ledger, gpu_watts, end) for stage, submissions in by_stage.items()]


def _cost(
    stage: str, submissions: Sequence[Submission], ledger: Ledger, gpu_watts: float | None, now: datetime
) -> StageCost:
    useful = failed = at_work = 0.0
    for submission in submissions:
        for attempt in ledger.attempts(submission):
            hours = submission.gpus * attempt.hours(now)
            if attempt.ended_at is None:
                at_work += hours
            elif _is_done(submission, attempt):
                useful += hours
            else:
                failed += hours
    joules = _consumed([each.job_id for each in submissions if each.job_id is not None])
    kwh: float | None = None
    energy_from: EnergySource | None = None
    if joules is not None:
        kwh, energy_from = joules / JOULES_PER_KWH, "accounting"
    elif gpu_watts is not None:
        kwh, energy_from = gpu_watts * (useful + failed + at_work) / 1000, "watts"
    return StageCost(
        stage=stage,
        submissions=len(submissions),
        useful=round(useful, 4),
        failed=round(failed, 4),
        at_work=round(at_work, 4),
        kwh=None if kwh is None else round(kwh, 4),
        energy_from=energy_from,
    )


def _is_done(submission: Submission, attempt: Attempt) -> bool:
    """Whether a start ended with its work done. Slurm calls a training `COMPLETED` whose error was sent back."""
    if attempt.state != "COMPLETED":
        return False
    return submission.kind == "map" or submission.state == SubmissionState.DONE


def _consumed(job_ids: Sequence[str]) -> float | None:
    """Joules of all starts of jobs, by Slurm's accounting; None where there is none, or it measures no energy."""
    if not job_ids:
        return None
    answer = controller.ask(
        "sacct",
        "--noheader",
        "--parsable2",
        "--duplicates",
        "--format=JobID,ConsumedEnergyRaw",
        f"--jobs={','.join(job_ids)}",
    )
    if answer.returncode != 0:
        return None
    jobs, steps = 0.0, 0.0
    for line in answer.stdout.splitlines():
        job, _, joules = line.partition("|")
        if joules.strip().isdecimal():
            if "." in job:
                steps += float(joules)
            else:
                jobs += float(joules)
    return jobs or steps or None
