"""Waiting for the tasks of a submission: their results as they come, and one line to a person when something changes.

Results are files, states are the controller's: clusters without accounting work, and a job that died without a word is
noticed.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.dispatch import controller
from pvtt.dispatch.call_result import CallResult
from pvtt.dispatch.controller import TaskState
from pvtt.dispatch.endings import cancelled, died, word_for
from pvtt.dispatch.ledger import Attempt, Ledger, Submission, timestamp
from pvtt.dispatch.profile import SlurmProfile
from pvtt.dispatch.reasons import explain
from pvtt.dispatch.stop_signals import StopSignals
from pvtt.dispatch.tell import tell
from pvtt.errors import ForeignCodeError
from pvtt.items.dispatcher import EnvironmentFaultError, WorkerDiedError

if TYPE_CHECKING:
    from submitit.core.utils import JobPaths

LOOK_EVERY_S = (0.1, 1.0)  # at a job's files: at first, and at most
FIRST_ASK_S = 1.0
MAX_NAMED_NODES = 3
REMIND_EVERY_S = 900.0  # of a job that waits

Task = tuple[str, int]  # job id, rank


class Watch:
    """Waits for one submission.

    Args:
        submission: With its job id.
        ledger: Gets every attempt as it is seen.
        stop: Ends the wait.
        profile: For how often to ask the controller, and how late a node's files may appear here.
        place: The part of the profile that sets the job's limits.
        stop_at_error: The first error ends the wait: the other ranks of a job would wait for this one for ever.
    """

    def __init__(
        self,
        submission: Submission,
        ledger: Ledger,
        stop: StopSignals,
        profile: SlurmProfile,
        place: str,
        stop_at_error: bool,
    ) -> None:
        self._submission, self._ledger, self._stop = submission, ledger, stop
        self._profile, self._place, self._stop_at_error = profile, place, stop_at_error
        self._states: dict[str, TaskState] = {}
        self._gone: dict[str, float] = {}  # job id -> when it was first seen to have ended
        self._seen: dict[tuple[str, str], datetime] = {}  # state and reason -> since when
        self._said: list[tuple[tuple[str, str], int]] = []
        self._said_at = 0.0
        self._silent_since: datetime | None = None

    def results(self) -> dict[Task, CallResult]:
        """What came of each rank of each task. Errors stand in their tasks' places, unless they end the wait.

        Raises:
            ForeignCodeError: A task would run other code than this process sent.
            EnvironmentFaultError: A task cannot run the work; the others could not either.
        """
        submission = self._submission
        tasks = [(job_id, rank) for job_id in submission.task_ids for rank in range(submission.num_ranks)]
        pending = list(tasks)
        found: dict[Task, CallResult] = {}
        look_s, ask_s = LOOK_EVERY_S[0], FIRST_ASK_S
        asked = time.monotonic()
        while pending:
            self._stop.sleep(look_s)
            look_s = min(2 * look_s, LOOK_EVERY_S[1])
            if time.monotonic() - asked >= ask_s:
                self._ask()
                asked, ask_s = time.monotonic(), min(2 * ask_s, self._profile.ask_every_s)
            for task in list(pending):
                result = self._look(*task)
                if result is None:
                    continue
                pending.remove(task)
                found[task] = result
                error = result.error
                if error is not None and (
                    self._stop_at_error or isinstance(error, ForeignCodeError | EnvironmentFaultError)
                ):
                    raise error
        self._ask(quiet=True)  # the ledger gets every task's end
        return {task: found[task] for task in tasks}

    def _look(self, job_id: str, rank: int) -> CallResult | None:
        """The result of a task, or what is known of one that ended without; None while it lasts."""
        paths = paths_of(self._submission, job_id, rank)
        if paths.result_pickle.exists():
            return load(paths, self._submission.stage)
        gone_at = self._gone.get(job_id)
        if gone_at is None or time.monotonic() - gone_at <= self._profile.file_system_lag_s:
            return None
        error = died(self._submission.stage, paths, self._states.get(job_id), self._place)
        if self._ledger.is_cancelled(self._submission):  # by `pvtt jobs cancel`, which interrupts the work first
            error = cancelled(self._submission.stage, job_id)
        self._write_ending(job_id, error)
        return CallResult(error=error)

    def _ask(self, quiet: bool = False) -> None:
        """Ask the controller how the tasks are; keep it in the ledger, and say what changed."""
        submission = self._submission
        states = controller.show(str(submission.job_id), submission.job_name, self._stop.is_received)
        if states is None:
            if self._silent_since is None:
                self._silent_since = datetime.now(UTC)
                self._say(f"the controller does not answer since {_clock(self._silent_since)}; jobs go on without it")
            return
        if self._silent_since is not None:
            self._silent_since = None
            self._say("the controller answers again")
        now = time.monotonic()
        changed = [state for job_id, state in states.items() if self._states.get(job_id) != state]
        self._states |= states
        ended = {job_id for job_id in self._submission.task_ids if job_id not in states or not states[job_id].is_active}
        self._gone = {job_id: self._gone.get(job_id, now) for job_id in ended}
        self._ledger.note([attempt_of(self._submission, state) for state in changed])
        if not quiet:
            self._tell([state for state in states.values() if state.is_active])

    def _tell(self, active: list[TaskState]) -> None:
        """One line on tasks that wait and work, when it is another than the last, and now and then of a long wait."""
        groups: dict[tuple[str, str], list[TaskState]] = {}
        for state in sorted(active, key=lambda state: state.state):
            groups.setdefault((state.state, state.reason if state.state == "PENDING" else ""), []).append(state)
        now = datetime.now(UTC)
        known, self._seen = self._seen, {}
        parts = []
        for (word, reason), states in groups.items():
            first = min((state.since for state in states if state.since is not None), default=now)
            if known and word == "PENDING":  # another reason than before: not since it was sent
                first = now
            since = self._seen[word, reason] = known.get((word, reason), first)
            number = f"{len(states)} task{'s' * (len(states) > 1)} " if self._submission.num_tasks > 1 else ""
            why = f" ({explain(reason, str(self._submission.job_id))})" if reason else ""
            parts.append(f"{number}{word}{why}{_where(states)} since {_clock(since)}")
        # As tasks end one after another the bar says how many; what waits is said each time.
        news = [(key, len(states) if key[0] == "PENDING" else 0) for key, states in groups.items()]
        waits = any(word == "PENDING" for word, _ in groups)
        reminds = waits and time.monotonic() - self._said_at > REMIND_EVERY_S
        if groups and (news != self._said or reminds):
            self._said, self._said_at = news, time.monotonic()
            self._say("; ".join(parts))

    def _say(self, text: str) -> None:
        tell(f"{self._submission.stage}: Slurm job {self._submission.job_id}: {text}")

    def _write_ending(self, job_id: str, error: WorkerDiedError) -> None:
        state = self._states.get(job_id)
        if state is not None:
            attempt = attempt_of(self._submission, state)
            self._ledger.note([attempt.model_copy(update={"reason": f"{word_for(error)} {state.reason}".strip()})])


def attempt_of(submission: Submission, state: TaskState) -> Attempt:
    """What the ledger keeps of a state."""
    return Attempt(
        submission=submission.id,
        job_id=state.job_id,
        attempt=state.attempt,
        state=state.state,
        reason=state.reason,
        node=state.node,
        started_at=None if state.started is None else timestamp(state.started),
        ended_at=None if state.ended is None else timestamp(state.ended),
        log=str(paths_of(submission, state.job_id).stderr),
    )


def paths_of(submission: Submission, job_id: str, rank: int = 0) -> JobPaths:
    """Where submitit puts a task's files."""
    from submitit.core.utils import JobPaths

    return JobPaths(submission.folder, job_id=job_id, task_id=rank)


def load(paths: JobPaths, stage: str, read: Callable[[Path], bytes] = Path.read_bytes) -> CallResult:
    """The result of a task that wrote one. Errors get a note that says where the task's log is."""
    job = f"{stage}: Slurm job {paths.job_id}"
    try:
        outcome, value = pickle.loads(read(paths.result_pickle))
    except Exception as error:  # cut short by a full disk, or of classes that this process cannot import
        return CallResult(error=WorkerDiedError(f"{job}: its result cannot be read: {error}", f"read {paths.stderr}"))
    if outcome == "success" and isinstance(value, CallResult):
        result = value
    else:  # an error of submitit's own, or before the work
        lines = [line for line in str(value).splitlines() if line.strip()] or ["it left no word"]
        cause = next((line for line in reversed(lines) if "Error" in line and not line.startswith(" ")), lines[-1])
        result = CallResult(error=EnvironmentFaultError(f"{job}: {cause}", f"read {paths.stderr}"))
        result.error.add_note(f"on the node:\n{value}")  # type: ignore[union-attr]
    if result.error is not None:
        result.error.add_note(f"log: {paths.stderr}")
    return result


def _where(states: list[TaskState]) -> str:
    """The nodes of tasks that are at work, or how many there are."""
    nodes = sorted({state.node for state in states if state.node and state.state != "PENDING"})
    if len(nodes) > MAX_NAMED_NODES:
        return f" on {len(nodes)} nodes"
    return f" on {', '.join(nodes)}" if nodes else ""


def _clock(moment: datetime) -> str:
    """A time for a person: this machine's, with the day where it is another."""
    local = moment.astimezone()
    same_day = local.date() == datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if same_day else f"{local:%Y-%m-%d %H:%M}"
