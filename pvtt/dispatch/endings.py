"""How a Slurm task that left no result ended, told apart: what may be sent again, what not, and what a person does."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.dispatch.controller import TaskState
from pvtt.dispatch.node_call import begun_file
from pvtt.items.dispatcher import (
    EnvironmentFaultError,
    MemoryLimitError,
    TimeLimitError,
    WorkerDiedError,
    WorkerLostError,
    WorkStoppedError,
)

if TYPE_CHECKING:
    from submitit.core.utils import JobPaths

NUM_LOG_LINES = 5  # in an error message
NUM_SEARCHED_LINES = 50
_KILLED = signal.SIGKILL.value  # of the kernel's memory killer
_NOTICE = signal.SIGUSR2.value  # submitit's
# What Slurm writes into a job's log when control groups end a process; the job's state is often no more than FAILED.
_OUT_OF_HOST_MEMORY = re.compile(r"\boom-kill event|\btasks? [-\d,\[\]]+: Out Of Memory")
_WORDS: dict[type[WorkerDiedError], str] = {
    TimeLimitError: "time limit",
    EnvironmentFaultError: "environment",
    WorkStoppedError: "cancelled",
    WorkerLostError: "taken away",
    MemoryLimitError: "out of memory",
}


def word_for(error: BaseException) -> str:
    """One or two words for the ledger."""
    return _WORDS.get(type(error), "died") if isinstance(error, WorkerDiedError) else "error"


def died(stage: str, paths: JobPaths, state: TaskState | None, place: str) -> WorkerDiedError:
    """What is known about a task that ended without a result.

    Args:
        stage: The stage's name.
        paths: The task's files.
        state: What the controller said of it last; None where it does not know it any more.
        place: The part of the profile that sets its limits, for example `shards`.

    Returns:
        `WorkStoppedError` where a person cancelled it, `TimeLimitError` where its time was up, `EnvironmentFaultError`
        where its Python never came to the work, `WorkerLostError` where it was taken away, `MemoryLimitError` where it
        took too much memory; else `WorkerDiedError`.
    """
    log = paths.stderr
    node = f" on {state.node}" if state is not None and state.node else ""
    job = f"{stage}: Slurm job {paths.job_id}{node}"
    word = "no longer known to Slurm" if state is None else f"JobState={state.state}"
    known = ", ".join(
        [
            word,
            *([f"Reason={state.reason}"] if state is not None and state.reason else []),
            *([f"ExitCode={state.exit_code}"] if state is not None and state.exit_code else []),
        ]
    )
    what = state.state if state is not None else ""
    if what in ("CANCELLED", "REVOKED"):
        return cancelled(stage, f"{paths.job_id}{node}", f" ({known})")
    if what in ("TIMEOUT", "DEADLINE"):
        return TimeLimitError(
            f"{job} was ended by its time limit ({known})",
            f"run the same command again: it continues; or raise {place}.minutes or requeue.max_timeouts",
        )
    if what in ("PREEMPTED", "NODE_FAIL", "BOOT_FAIL"):
        cause = "was preempted" if what == "PREEMPTED" else "lost its node"
        return WorkerLostError(f"{job} {cause} ({known})", "run the same command again: it continues")
    if what == "OUT_OF_MEMORY" or _OUT_OF_HOST_MEMORY.search("\n".join(_last_lines(log, NUM_SEARCHED_LINES))):
        memory = "memory_gb_per_node" if place.startswith("run") else "memory_gb"
        return MemoryLimitError(
            f"{job} ran out of the host memory that it asked for ({known})",
            f"raise {place}.{memory} of the Slurm profile; read {log}",
        )
    code, _, number = (state.exit_code if state is not None else "").partition(":")
    if number == str(_NOTICE) or code == str(128 + _NOTICE):  # nobody listened yet
        return WorkerLostError(
            f"{job} got its notice before its work began ({known})", f"raise {place}.minutes of the Slurm profile"
        )
    lines = " | ".join(_last_lines(log))
    if not begun_file(paths).exists():
        if not log.exists():
            return EnvironmentFaultError(
                f"{job} ended and none of its files is here ({known})",
                f"let the nodes see {paths.folder}: it must be on a file system that they share",
            )
        return EnvironmentFaultError(
            f"{job} ended before its work began ({known}): {lines}",
            f"mend `venv`, `container` or `setup` of the Slurm profile, or that node; read {log}",
        )
    message = f"{job} ended without a result ({known}): {lines}"
    if number == str(_KILLED) or code == str(128 + _KILLED) or "oom" in lines.lower():
        return MemoryLimitError(f"{message} (out of memory?)", f"read {log}")
    return WorkerDiedError(message, f"read {log}")


def cancelled(stage: str, job: str, known: str = "") -> WorkStoppedError:
    """The error of a job that a person cancelled: it is never sent again on its own."""
    return WorkStoppedError(
        f"{stage}: Slurm job {job} was cancelled{known}", "finished work is kept; run the same command again to go on"
    )


def out_of_gpu_memory(stage: str, error: BaseException, log: Path) -> MemoryLimitError | None:
    """The error of a job that the GPU had not enough memory for; None where `error` is another."""
    if type(error).__name__ != "OutOfMemoryError" and "CUDA out of memory" not in str(error):
        return None
    return MemoryLimitError(
        f"{stage}: the GPU ran out of memory: {' '.join(str(error).split())[:200]}",
        f"take a smaller batch, gradient checkpointing, or more GPUs (`pvtt plan` says what fits); read {log}",
    )


def _last_lines(log: Path, number: int = NUM_LOG_LINES) -> list[str]:
    try:
        lines = log.read_text(errors="replace").splitlines()[-number:]
    except OSError:
        return ["no log was written"]
    return [line.strip() for line in lines if line.strip()] or ["its log is empty"]
