"""Work as Slurm jobs, over submitit.

    map   one job array; a task an argument
    run   one job of nodes x processes; every process calls the function with torchrun's variables set (MASTER_ADDR,
          MASTER_PORT, RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE), which accelerate and torch.distributed read

The submitting process waits. Ended by a signal or an error, it cancels its jobs. Killed, it leaves them at work, and
the next process with the very same call waits for them in its place; one with another call cancels them.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pvtt.dispatch import controller
from pvtt.dispatch.call_key import call_key
from pvtt.dispatch.call_result import CallResult
from pvtt.dispatch.endings import out_of_gpu_memory
from pvtt.dispatch.ledger import Ledger, Submission, SubmissionState, this_driver, timestamp
from pvtt.dispatch.left import Leftovers
from pvtt.dispatch.profile import WAITING, SlurmProfile
from pvtt.dispatch.sent_call import send
from pvtt.dispatch.stop_signals import StopSignals
from pvtt.dispatch.submission import JobRequest, prune, python_of, submit
from pvtt.dispatch.tell import tell
from pvtt.dispatch.watch import Task, Watch, paths_of
from pvtt.errors import PvttError, first_line
from pvtt.items.dispatcher import ArgumentT, ResultT, WorkerLostError, WorkStoppedError

FOLDER = "slurm"  # below the workspace's state
LEDGER_FILE = "jobs.sqlite"
MAX_LOSSES = 10  # how often a job that was taken away is sent again


class SlurmDispatcher:
    """A `Dispatcher` over a Slurm cluster.

    Args:
        profile: What the jobs ask for.
        folder: For the ledger, job scripts, logs and pickles, on a file system that the nodes share.
        inputs: Tells states of the inputs of `run` apart; an item of `map` names its own.
    """

    def __init__(self, profile: SlurmProfile, folder: Path, inputs: Callable[[], str] = str) -> None:
        self._inputs = inputs
        self._profile = profile
        self._folder = folder.resolve()
        self._ledger = Ledger(self._folder / LEDGER_FILE)

    @property
    def num_workers(self) -> int:
        """Shards of a stage that the profile does not name."""
        return self._profile.shards.parallel

    def workers_for(self, name: str) -> int:
        """See `Dispatcher.workers_for`."""
        return self._profile.stages.get(name, self._profile.shards).parallel

    def map(
        self, function: Callable[[ArgumentT], ResultT], arguments: Sequence[ArgumentT], *, name: str
    ) -> list[ResultT | BaseException]:
        """See `Dispatcher.map`. A job that died is a `WorkerDiedError`, one that was taken away a `WorkerLostError`.

        Raises:
            ForeignCodeError: A job would run other code than this process sent.
            WorkStoppedError: A task was cancelled, is out of time (the others are waited for), or cannot run the work.
        """
        if not arguments:
            return []
        named = name in self._profile.stages
        shards = self._profile.stages.get(name, self._profile.shards)
        resources = {
            "partition": shards.partition or self._profile.partition,
            "gpus_per_node": self._gpus(shards.gpus),
            "mem": _gigabytes(shards.memory_gb),
            "array_parallelism": shards.parallel,
        }
        place = f"stages.{name}" if named else "shards"
        request = JobRequest(shards.cpus, shards.minutes, place, resources, shards.gpus)
        found = self._call("map", name, function, arguments, request)
        results = [result.value if result.error is None else result.error for result in found.values()]
        for result in results:
            if isinstance(result, WorkStoppedError):
                raise result
        return results

    def left_behind(self, name: str) -> list[object] | None:
        """See `Dispatcher.left_behind`."""
        if shutil.which("sbatch") is None:
            return None
        with StopSignals() as stop:
            return Leftovers(self._profile, self._ledger, name, self._job_name(name), stop).arguments()

    def run(self, function: Callable[[ArgumentT], ResultT], argument: ArgumentT, *, name: str) -> ResultT:
        """See `Dispatcher.run`. Of several processes, rank 0's result is returned; the first error is raised.

        A job that was preempted for good or lost its node is sent again.
        """
        run = self._profile.runs.get(name, self._profile.run)
        resources = {
            "partition": run.partition or self._profile.partition,
            "nodes": run.nodes,
            "ntasks_per_node": run.num_processes_per_node,
            "gpus_per_node": self._gpus(run.gpus_per_node),
            "mem": _gigabytes(run.memory_gb_per_node),
            "exclusive": run.exclusive or None,
        }
        request = JobRequest(
            run.cpus_per_process,
            run.minutes,
            f"runs.{name}" if name in self._profile.runs else "run",
            resources,
            run.nodes * run.gpus_per_node,
            run.nodes * run.num_processes_per_node,
        )
        for losses in range(MAX_LOSSES + 1):
            try:
                found = self._call("run", name, function, [argument], request)
            except WorkerLostError as error:
                if losses == MAX_LOSSES:
                    raise
                tell(f"{error.message}; it is sent again")
                continue
            result: ResultT = next(iter(found.values())).unwrap()
            return result
        raise AssertionError

    def _call(
        self,
        kind: str,
        name: str,
        function: Callable[[Any], Any],
        arguments: Sequence[Any],
        request: JobRequest,
    ) -> dict[Task, CallResult]:
        """Send a call, or find it at work, and wait for it; whatever ends this early ends its jobs."""
        if shutil.which("sbatch") is None:
            raise PvttError(
                "sbatch is not installed on this machine, so there is no Slurm to send jobs to",
                "run on a login node, or unset PVTT_DISPATCH to run here",
            )
        calls = send(function, arguments)
        python = python_of(self._profile) or sys.executable
        asked = self._profile.model_dump_json(exclude=set(WAITING))
        place = f"{asked} {python} {self._inputs() if kind == 'run' else ''}"
        key = call_key(kind, name, function, arguments, calls[0], place)
        with StopSignals() as stop:
            submission: Submission | None = None
            try:
                leftovers = Leftovers(self._profile, self._ledger, name, self._job_name(name), stop)
                submission = leftovers.settle(key)
                if submission is None:
                    prune(self._ledger, name)
                    submission = self._ledger.begin(self._new(kind, name, key, len(calls), request))
                    submission = submit(self._profile, request, calls, submission, self._ledger, stop)
                watch = Watch(submission, self._ledger, stop, self._profile, request.place, kind == "run")
                found = watch.results()
            except BaseException as error:
                self._clean_up(name, submission, error)
                if submission is not None and isinstance(error, Exception) and submission.job_id is not None:
                    log = paths_of(submission, submission.task_ids[0]).stderr
                    if out := out_of_gpu_memory(name, error, log):
                        raise out from error
                raise
            errors = [result.error for result in found.values() if result.error is not None]
            state = SubmissionState.FAILED if errors else SubmissionState.DONE
            self._ledger.close(submission, state, first_line(errors[0]) if errors else "")
        return found

    def _new(self, kind: str, name: str, key: str, num_tasks: int, request: JobRequest) -> Submission:
        """A submission that is not sent yet, in a folder of its own."""
        earlier = [each.id for each in self._ledger.submissions()]
        number = max(earlier, default=0) + 1
        while (folder := self._folder / name / f"{number:04d}").exists():  # of a ledger that was lost
            number += 1
        return Submission(
            id=number,
            stage=name,
            kind=kind,
            call=key,
            folder=str(folder),
            job_name=self._job_name(name),
            job_id=None,
            num_tasks=num_tasks,
            num_ranks=request.num_ranks,
            gpus=request.gpus,
            state=str(SubmissionState.SENDING),
            note="",
            driver=this_driver(),
            submitted_at=timestamp(),
            closed_at=None,
        )

    def _clean_up(self, name: str, submission: Submission | None, error: BaseException) -> None:
        """End the jobs of this call, within half a minute, whatever ended the wait for them."""
        why = "Ctrl-C" if isinstance(error, KeyboardInterrupt) else first_line(error).removeprefix(f"{name}: ")
        if isinstance(error, SystemExit):
            why = "this process was told to end"
        job_name = self._job_name(name)

        def say(jobs: str) -> None:
            tell(f"{name}: {why}: cancelling Slurm job {jobs}")

        left = controller.cancel(job_name, say=say)
        if left:
            tell(
                f"{name}: Slurm does not say that they have ended ({', '.join(controller.short(left))}): "
                "`pvtt jobs ls` shows them, and the next run of this stage finds them"
            )
        elif submission is not None:
            state = SubmissionState.FAILED if isinstance(error, Exception) else SubmissionState.CANCELLED
            self._ledger.close(submission, state, why)

    def _gpus(self, count: int) -> str | None:
        if count == 0:
            return None
        return f"{self._profile.gpu_type}:{count}" if self._profile.gpu_type else str(count)

    def _job_name(self, name: str) -> str:
        """The same for the same stage of the same checkout, and for no other."""
        return f"pvtt-{name}-{hashlib.sha256(str(self._folder).encode()).hexdigest()[:8]}"


def _gigabytes(memory: int | None) -> str | None:
    return None if memory is None else f"{memory}GB"
