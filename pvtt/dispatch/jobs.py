"""What `pvtt jobs` shows and does: the ledger's submissions, brought up to date by the controller."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pvtt.dispatch import controller
from pvtt.dispatch.cost import StageCost, stage_costs
from pvtt.dispatch.ledger import Attempt, Ledger, Submission, SubmissionState
from pvtt.dispatch.reasons import explain
from pvtt.dispatch.slurm import FOLDER, LEDGER_FILE
from pvtt.dispatch.watch import attempt_of, paths_of
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.records.base import Record


class JobView(Record):
    """A submission as it is now."""

    submission: Submission
    attempts: tuple[Attempt, ...]
    answers: bool  # whether the controller was asked, and said something
    gpu_hours: float

    @property
    def is_live(self) -> bool:
        """Whether a job of it is in the queue or at work."""
        return any(attempt.state not in controller.ENDED and attempt.ended_at is None for attempt in self.attempts)

    @property
    def status(self) -> str:
        """One word, or what its tasks are: `done`, `3 PENDING, 1 RUNNING`."""
        if not self.submission.is_open or not self.is_live:
            return self.submission.state
        counts = Counter(attempt.state for attempt in self.last_attempts if attempt.ended_at is None)
        return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))

    @property
    def last_attempts(self) -> list[Attempt]:
        """The last start of each task."""
        return list({attempt.job_id: attempt for attempt in self.attempts}.values())

    @property
    def reason(self) -> str:
        """Why it waits, or how it ended."""
        waits = {explain(each.reason, str(self.submission.job_id)) for each in self.attempts if each.state == "PENDING"}
        return "; ".join(sorted(waits - {""})) if waits and self.submission.is_open else self.submission.note


class Jobs:
    """The Slurm jobs of one checkout.

    Args:
        workspace: The checkout.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._ledger = Ledger(workspace.state / FOLDER / LEDGER_FILE)

    def list(self, *, only_open: bool = False) -> list[JobView]:
        """All submissions, the newest first."""
        return [self._view(each) for each in reversed(self._ledger.submissions(only_open=only_open))]

    def costs(self, gpu_watts: float | None, since: str = "") -> Sequence[StageCost]:
        """What each stage's jobs have cost; see `stage_costs`."""
        self.list(only_open=True)  # what ended unseen gets its end
        return stage_costs(self._ledger, gpu_watts, since)

    def find(self, name: str) -> JobView:
        """A submission by its number, as `#12`, or by the id of its Slurm job or of one of its tasks.

        Raises:
            MissingInputError: There is none.
        """
        job = name.partition("_")[0]
        every = self._ledger.submissions()
        found = [each for each in every if name == f"#{each.id}" or (each.job_id is not None and each.job_id == job)]
        if not found:
            raise MissingInputError(f"there is no Slurm job {name} of this checkout", "`pvtt jobs ls` lists them")
        return self._view(found[-1])

    def log(self, view: JobView, task: str | None = None, *, rank: int = 0, output: bool = False) -> Path:
        """The log of a task, with all its starts one after another.

        Args:
            view: The submission.
            task: Slurm's id of the task; by default the last that failed, else the first.
            rank: Which of its processes.
            output: What it printed, instead of its errors.

        Raises:
            MissingInputError: There is no such task, or no log.
        """
        last = {attempt.job_id: attempt for attempt in view.attempts}
        bad = [each for each in last.values() if each.state in controller.ENDED - {"COMPLETED"}]
        chosen = last.get(task) if task is not None else next(iter([*bad[-1:], *last.values()]), None)
        if chosen is None:
            known = ", ".join(last) or "none has begun"
            raise MissingInputError(
                f"{task or view.submission.job_id}: no such task; {known}", "`pvtt jobs show` lists them"
            )
        paths = paths_of(view.submission, chosen.job_id, rank)
        path = Path(paths.stdout if output else paths.stderr)
        if not path.is_file():
            raise MissingInputError(
                f"{path} does not exist", "the task has not begun, or its submission is older than those that are kept"
            )
        return path

    def cancel(self, view: JobView, task: str | None = None) -> None:
        """Cancel a submission's jobs, or one task, and wait for their end; who waits for them stops.

        Raises:
            PvttError: They do not end.
        """
        submission = view.submission
        if task is not None:
            _scancel(submission.job_name, task)
            return
        if submission.job_id is None or not view.is_live:
            if submission.is_open and view.answers:
                self._ledger.close(submission, SubmissionState.CANCELLED, "nothing of it was at work")
            return
        # First, so that who waits for it takes what it sees for what it is.
        self._ledger.close(submission, SubmissionState.CANCELLED, "cancelled by `pvtt jobs cancel`")
        if left := controller.cancel(submission.job_name, [submission.job_id]):
            raise PvttError(
                f"Slurm job {submission.job_id} does not end: {', '.join(controller.short(left))}",
                "`scontrol show job` says why",
            )

    def retry(self, view: JobView, task: str | None = None) -> str:
        """Let held tasks go and start the others again where they were, or one task; returns what was done.

        Raises:
            PvttError: It has ended, or Slurm refuses.
        """
        if not view.is_live:
            stage = view.submission.stage
            raise PvttError(
                f"Slurm job {view.submission.job_id} has ended ({view.submission.state})",
                f"`dvc repro {stage}` sends again what of {stage} is not done",
            )
        done = []
        for attempt in view.last_attempts:
            if task not in (None, attempt.job_id):
                continue
            held = attempt.state == "PENDING" and ("Held" in attempt.reason or "held" in attempt.reason)
            action = "release" if held else "requeue"
            if attempt.state not in ("PENDING", "RUNNING", "SUSPENDED", "REQUEUE_HOLD") or (
                attempt.state == "PENDING" and not held
            ):
                continue
            answer = controller.ask("scontrol", action, attempt.job_id)
            if answer.returncode != 0:
                raise PvttError(f"Slurm refuses to {action} job {attempt.job_id}: {answer.stderr.strip()}")
            done.append(f"{action}d {attempt.job_id}".replace("requeued", "put back in the queue:"))
        return "\n".join(done) or f"Slurm job {view.submission.job_id} waits in the queue already"

    def _view(self, submission: Submission) -> JobView:
        answers = False
        if submission.is_open and submission.job_id is not None:
            states = controller.show(submission.job_id, submission.job_name)
            if states is not None:
                answers = True
                self._ledger.note([attempt_of(submission, state) for state in states.values()])
        attempts = tuple(self._ledger.attempts(submission))
        return JobView(
            submission=submission, attempts=attempts, answers=answers, gpu_hours=gpu_hours(submission, attempts)
        )


def _scancel(job_name: str, task: str) -> None:
    """Cancel one task as Slurm does it, which leaves word that a person did, and wait for its end."""
    end = time.monotonic() + controller.CANCEL_WITHIN_S
    answer = controller.ask("scancel", f"--name={job_name}", task)
    while answer.returncode == 0:
        active = controller.queued(job_name)
        if active is not None and task not in active:
            return
        if time.monotonic() > end:
            raise PvttError(f"Slurm job {task} does not end", "`scontrol show job` says why")
        time.sleep(0.5)
    if answer.returncode != 0:
        raise PvttError(
            f"Slurm does not cancel job {task}: {answer.stderr.strip()}", "`pvtt jobs show` lists the tasks"
        )


def gpu_hours(submission: Submission, attempts: Sequence[Attempt]) -> float:
    """Hours of GPUs that a submission has used, all starts together."""
    now = datetime.now(UTC)
    return round(submission.gpus * sum(attempt.hours(now) for attempt in attempts), 4)
