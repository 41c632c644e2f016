"""Jobs that a process left behind when it was killed: taken over where they do the very same work, else cancelled."""

from __future__ import annotations

import time

from pvtt.dispatch import controller
from pvtt.dispatch.controller import TaskState
from pvtt.dispatch.ledger import Ledger, Submission, SubmissionState
from pvtt.dispatch.profile import SlurmProfile
from pvtt.dispatch.stop_signals import StopSignals
from pvtt.dispatch.submission import Patience, read_calls
from pvtt.dispatch.tell import tell
from pvtt.dispatch.watch import load, paths_of
from pvtt.errors import PvttError

LOOK_EVERY_S = 0.5


class Leftovers:
    """What earlier processes of this checkout left of a stage.

    Args:
        profile: For its patience with the controller and the file system.
        ledger: Where submissions are noted.
        stage: The stage's name.
        job_name: The name of its jobs.
        stop: Ends every wait.
    """

    def __init__(self, profile: SlurmProfile, ledger: Ledger, stage: str, job_name: str, stop: StopSignals) -> None:
        self._profile, self._ledger, self._stage, self._job_name, self._stop = profile, ledger, stage, job_name, stop
        self._patience = Patience(profile, stage, stop)

    def arguments(self) -> list[object] | None:
        """What the last array, still at work or done unseen, was called on; None where there is none, or other code."""
        for submission in reversed(self._ledger.submissions(self._stage, only_open=True)):
            if submission.kind != "map" or not self._is_worth_waiting(submission):
                continue
            calls = read_calls(submission)
            if not calls:
                return None
            try:
                calls[0].check()
                return [call.unpack()[1] for call in calls]
            except Exception:  # the code has changed, or cannot be imported any more: it is other work
                return None
        return None

    def settle(self, key: str) -> Submission | None:
        """The submission with this key that is at work, or done unseen; every other one is cancelled, in words.

        Raises:
            PvttError: Jobs do not end, or the controller does not answer.
        """
        taken: Submission | None = None
        for submission in self._ledger.submissions(self._stage, only_open=True):
            if taken is None and submission.call == key and self._is_worth_waiting(submission):
                taken = submission
            else:
                self._end(submission)
        keep = set() if taken is None else {str(taken.job_id)}
        unknown = {job.partition("_")[0] for job in self._queued()} - keep
        if unknown:  # sent by a process that was killed before it could note them, or by one whose ledger is lost
            self._cancel(sorted(unknown), "nobody knows what they do")
        if taken is not None:
            self._ledger.adopt(taken)
            self._say(
                f"job {taken.job_id}, sent {taken.submitted_at} by {taken.driver}, does this very work: waiting for it"
            )
        return taken

    def _is_worth_waiting(self, submission: Submission) -> bool:
        """Whether some task is still in the queue or at work, or all of them left a good result."""
        if submission.job_id is None:
            return False
        states = self._states(submission)
        if any(state.is_active for state in states.values()):
            return True
        tasks = [(job_id, rank) for job_id in submission.task_ids for rank in range(submission.num_ranks)]
        paths = [paths_of(submission, *task) for task in tasks]
        end = time.monotonic() + self._profile.file_system_lag_s
        completed = any(state.state == "COMPLETED" for state in states.values())
        while completed and time.monotonic() < end and not all(path.result_pickle.exists() for path in paths):
            self._stop.sleep(LOOK_EVERY_S)
        return all(path.result_pickle.exists() and load(path, self._stage).error is None for path in paths)

    def _end(self, submission: Submission) -> None:
        """Cancel what is left of a submission, and note it."""
        note = "nobody waited for it"
        if submission.job_id is not None and any(state.is_active for state in self._states(submission).values()):
            note = "other work than the next run's"
            self._cancel([submission.job_id], f"sent {submission.submitted_at}, {note}")
        self._ledger.close(submission, SubmissionState.CANCELLED, note)

    def _cancel(self, jobs: list[str], why: str) -> None:
        self._say(f"job {', '.join(jobs)} of an earlier run ({why}): cancelling")
        if left := controller.cancel(self._job_name, jobs, self._stop.sleep):
            raise PvttError(
                f"{self._stage}: Slurm jobs of an earlier run do not end: {', '.join(controller.short(left))}",
                "`scontrol show job` says why; when they are gone, run the same command again",
            )

    def _states(self, submission: Submission) -> dict[str, TaskState]:
        while (states := controller.show(str(submission.job_id), self._job_name, self._stop.is_received)) is None:
            self._patience.wait("`scontrol show job` failed")
        return states

    def _queued(self) -> set[str]:
        while (jobs := controller.queued(self._job_name)) is None:
            self._patience.wait("`squeue` failed")
        return jobs

    def _say(self, text: str) -> None:
        tell(f"{self._stage}: Slurm {text}")
