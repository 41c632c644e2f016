"""What Slurm's controller says of jobs, and what it is told. One question at a time, none without a limit.

`scontrol show job` knows jobs that wait, that work, and for some minutes those that have ended, without accounting.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

ANSWER_WITHIN_S = 60.0
LOOK_EVERY_S = 0.2
# The work closes its files, or saves a checkpoint; a job that had only begun may not have heard the first.
INTERRUPT_AFTER_S = (0.0, 4.0)
KILL_AFTER_S = 12.0
CANCEL_WITHIN_S = 27.0
ENDED = frozenset({"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"})
ENDED |= {"PREEMPTED", "REVOKED", "TIMEOUT"}
# What the controller's clients say where it cannot be reached, or is too busy, for a while.
_SILENT = re.compile(
    r"unable to contact|socket timed out|connection (refused|reset|timed out)|connect failure|zero bytes"
    r"|communication (connection|shutdown) failure|transport endpoint|standby mode|temporarily|try again|currently busy"
    r"|unexpected message received|munge (encode|decode) failed",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"invalid job id", re.IGNORECASE)
_FIELD = re.compile(r"(?:^|\s)([A-Za-z/:]+)=(\S*)")
_REASON = re.compile(r"\sReason=(.*?) Dependency=")


@dataclass(frozen=True)
class TaskState:
    """A job, or one task of an array, as the controller sees it.

    Args:
        job_id: `12`, or `12_3` of an array.
        state: Slurm's word, for example PENDING.
        reason: Why it waits, or ended; empty where there is nothing to say.
        node: Where it runs or ran; empty before.
        attempt: 1, and one more each time that it went back in the queue.
        since: When it got into the queue, or to work; UTC.
        started: UTC; None before.
        ended: UTC; None before.
        exit_code: `code:signal`.
    """

    job_id: str
    state: str
    reason: str
    node: str
    attempt: int
    since: datetime | None
    started: datetime | None
    ended: datetime | None
    exit_code: str

    @property
    def is_active(self) -> bool:
        return self.state not in ENDED


def is_silence(text: str) -> bool:
    """Whether an error of Slurm's commands says that the controller cannot be asked now, and may be later."""
    return _SILENT.search(text) is not None


def ask(
    *command: str, within_s: float = ANSWER_WITHIN_S, given_up: Callable[[], bool] = lambda: False
) -> subprocess.CompletedProcess[str]:
    """Run a command of Slurm. One that takes too long, or is not there, has failed.

    Args:
        command: Program and arguments.
        within_s: How long it may take.
        given_up: Asked meanwhile; true ends the command.
    """
    # A group of its own: Ctrl-C in a terminal is for this process, which needs these commands to clean up.
    environment = os.environ | {"LC_ALL": "C", "SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "standard"}
    end = time.monotonic() + within_s
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, errors="replace", env=environment, process_group=0
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))
    with process:
        while True:
            try:
                output, errors = process.communicate(timeout=LOOK_EVERY_S)
                return subprocess.CompletedProcess(command, process.returncode, output, errors)
            except subprocess.TimeoutExpired:
                if given_up() or time.monotonic() > end:
                    process.kill()
                    return subprocess.CompletedProcess(command, 1, "", "Socket timed out: no answer")


def show(job_id: str, job_name: str, given_up: Callable[[], bool] = lambda: False) -> dict[str, TaskState] | None:
    """The states of a job, or of an array's tasks, by job id; empty where it is not known any more.

    A job of another name is not known: a controller that lost its state gives numbers again. None where the controller
    does not answer, or `given_up` says that nobody waits for its answer.
    """
    answer = ask("scontrol", "show", "job", "--oneliner", job_id, given_up=given_up)
    if answer.returncode != 0:
        return {} if _UNKNOWN.search(answer.stderr + answer.stdout) else None
    lines = [line for line in answer.stdout.splitlines() if f" JobName={job_name} " in line]
    return {state.job_id: state for line in lines for state in _parse(line)}


def queued(job_name: str, within_s: float = ANSWER_WITHIN_S) -> set[str] | None:
    """Ids of this user's jobs of a name that are in the queue or at work; None where the controller does not answer."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i", f"--name={job_name}"]
    answer = ask(*command, within_s=within_s)
    return set(answer.stdout.split()) if answer.returncode == 0 else None


def cancel(
    job_name: str,
    jobs: Sequence[str] = (),
    sleep: Callable[[float], None] = time.sleep,
    say: Callable[[str], None] = lambda jobs: None,
) -> set[str]:
    """End this user's jobs of a name and wait for it: those that work are interrupted first, and killed later.

    Args:
        job_name: Their name.
        jobs: Only these jobs, or arrays; by default all of the name.
        sleep: What waits.
        say: Called once with the ids of the jobs, if there are any.

    Returns:
        Ids of those that did not end within `CANCEL_WITHIN_S`; `?` where the controller does not answer.
    """
    scancel = ["scancel", "--quiet", "--me", f"--name={job_name}", *jobs]
    start = time.monotonic()
    interrupts = list(INTERRUPT_AFTER_S)
    said = False

    def left_s() -> float:
        return max(1.0, start + CANCEL_WITHIN_S - time.monotonic())

    while True:
        active = queued(job_name, left_s())
        if active is not None and jobs:
            active = {job for job in active if job.partition("_")[0] in jobs or job in jobs}
        waited = time.monotonic() - start
        if active == set() or waited > CANCEL_WITHIN_S:
            return {"?"} if active is None else active
        if active is not None:
            if not said:
                said = True
                say(", ".join(short(active)))
            ask(*scancel, "--state=PENDING", within_s=left_s())
            if waited >= KILL_AFTER_S:
                ask(*scancel, "--signal=KILL", "--full", within_s=left_s())
                ask(*scancel, within_s=left_s())
            elif interrupts and waited >= interrupts[0]:
                interrupts.pop(0)
                # submitit ignores the SIGTERM of a plain scancel; SIGINT is a KeyboardInterrupt in the work.
                ask(*scancel, "--signal=INT", within_s=left_s())
        sleep(0.5)


def _parse(line: str) -> Iterator[TaskState]:
    """The tasks of one line: one, or several that wait together."""
    fields: dict[str, str] = {}
    for key, value in _FIELD.findall(line):
        fields.setdefault(key, value)
    reason = _REASON.search(line)
    started, ended = _time(fields.get("StartTime")), _time(fields.get("EndTime"))
    state = fields.get("JobState", "UNKNOWN")
    waits = state in ("PENDING", "REQUEUED", "REQUEUE_HOLD", "CONFIGURING")
    array = fields.get("ArrayJobId")
    ids = [fields["JobId"]] if array is None else [f"{array}_{index}" for index in expand(fields["ArrayTaskId"])]
    text = (reason[1] if reason is not None else "").strip()
    node = fields.get("NodeList", "")
    for job_id in ids:
        yield TaskState(
            job_id=job_id,
            state=state,
            reason="" if text in ("None", "(null)") else text,
            node="" if node == "(null)" else node,
            attempt=int(fields.get("Restarts", "0")) + 1,
            since=_time(fields.get("SubmitTime")) if waits else started,
            started=None if waits else started,
            ended=ended if state in ENDED else None,
            exit_code=fields.get("ExitCode", ""),
        )


def short(job_ids: Iterable[str]) -> list[str]:
    """Ids as Slurm writes them, an array's tasks together: `7_[0-3,5]`."""
    arrays: dict[str, list[int]] = {}
    for job_id in sorted(job_ids):
        job, _, index = job_id.partition("_")
        arrays.setdefault(job, []).extend([int(index)] if index.isdecimal() else [])
    named = []
    for job, indices in arrays.items():
        runs: list[list[int]] = []
        for number in sorted(indices):
            if runs and runs[-1][-1] == number - 1:
                runs[-1] = [runs[-1][0], number]
            else:
                runs.append([number])
        parts = ",".join("-".join(map(str, run)) for run in runs)
        named.append(f"{job}_[{parts}]" if len(indices) > 1 else f"{job}_{parts}" if parts else job)
    return named


def expand(indices: str) -> list[int]:
    """The numbers of an array's expression, for example `0-3,5,8-12:2%4`."""
    numbers: list[int] = []
    for part in indices.partition("%")[0].split(","):
        bounds, _, step = part.partition(":")
        first, _, last = bounds.partition("-")
        numbers += range(int(first), int(last or first) + 1, int(step or 1))
    return numbers


def _time(text: str | None) -> datetime | None:
    """A time of Slurm's, which is this machine's local one, in UTC."""
    try:
        return datetime.fromisoformat(text or "").astimezone(UTC)
    except ValueError:  # Unknown, N/A
        return None
