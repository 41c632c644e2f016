"""What a Slurm task does on its node: say that it has begun, look at the code, call the work, tell how it ended."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.dispatch.call_result import CallResult, call
from pvtt.dispatch.sent_call import SentCall
from pvtt.errors import ForeignCodeError, first_line
from pvtt.items.dispatcher import EnvironmentFaultError, TimeLimitError

if TYPE_CHECKING:
    from types import FrameType

    from submitit.core.utils import DelayedSubmission, JobPaths


class _OutOfTimeError(BaseException):
    """Raised in the middle of the work; no `except Exception` of the work takes it for its own error."""


@dataclass(frozen=True)
class NodeCall:
    """A call for submitit. Preempted or out of time, it starts again from the start: the work itself resumes.

    Args:
        sent: The call.
        distributed: The job has several processes, which torchrun's variables tell of each other.
        minutes: The time limit, for its error.
        place: The part of the profile that sets it, for example `shards`.
    """

    sent: SentCall
    distributed: bool = False
    minutes: int = 0
    place: str = ""

    def __call__(self) -> CallResult:
        from submitit.core.job_environment import JobEnvironment

        paths = JobEnvironment().paths
        begun_file(paths).touch()
        # Of an attempt that was killed while it wrote its result; submitit would not write over it.
        paths.result_pickle.with_suffix(".pkl.save_tmp").unlink(missing_ok=True)
        job = f"Slurm job {paths.job_id} on {socket.gethostname()}"
        try:
            self.sent.check()
            if self.distributed:
                from submitit.helpers import TorchDistributedEnvironment

                # A process sees all GPUs of its node, as NCCL wants it, and takes the one of its LOCAL_RANK.
                TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
            function, argument = self._unpack(job)
            _guard_notice()
            return call(function, argument)
        except (ForeignCodeError, EnvironmentFaultError) as error:
            return CallResult(error=error)
        except _OutOfTimeError as out:
            return CallResult(error=_time_is_up(job, self.minutes, self.place, str(out)))

    def _unpack(self, job: str) -> tuple[Callable[[Any], Any], Any]:
        try:
            return self.sent.unpack()
        except Exception as error:  # importing the work can raise anything
            raise EnvironmentFaultError(
                f"{job} cannot load the work: {type(error).__name__}: {first_line(error)}",
                "let `venv` or `container` of the Slurm profile hold what requirements.lock lists",
            ) from error

    def checkpoint(self) -> DelayedSubmission:
        """What submitit puts back in the queue."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self)


def begun_file(paths: JobPaths) -> Path:
    """Exists as soon as a task's Python has the project's code and its call."""
    return paths.folder / f"{paths.job_id}_{paths.task_id}_begun"


def _guard_notice() -> None:
    """Have submitit's answer to the notice - back in the queue, or the end - never raise an error that work catches."""
    from submitit.core.job_environment import JobEnvironment

    number = JobEnvironment._usr_sig()
    requeue = signal.getsignal(number)
    if not callable(requeue):
        return

    def on_notice(received: int, frame: FrameType | None) -> None:
        try:
            requeue(received, frame)
        except Exception as error:  # timed out too often, or `scontrol requeue` failed
            raise _OutOfTimeError(first_line(error)) from error

    signal.signal(number, on_notice)


def _time_is_up(job: str, minutes: int, place: str, why: str) -> TimeLimitError:
    return TimeLimitError(
        f"{job} was ended by its time limit of {minutes} minutes ({why.rstrip('.')})",
        f"run the same command again: it continues; or raise {place}.minutes or requeue.max_timeouts",
    )
