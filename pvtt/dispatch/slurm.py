"""Work as Slurm jobs, over submitit.

    map   one job array; a task an argument
    run   one job of nodes x processes; every process calls the function with torchrun's variables set (MASTER_ADDR,
          MASTER_PORT, RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE), which accelerate and torch.distributed read

The submitting process waits. Jobs are watched with `squeue`, not with submitit's `sacct`, so that clusters without
accounting work, and so that a job that died without a word is noticed.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.dispatch.call_result import CallResult, WorkerDiedError, call
from pvtt.dispatch.profile import SlurmProfile
from pvtt.dispatch.sent_call import SentCall, send
from pvtt.errors import ForeignCodeError, PvttError
from pvtt.files.code import running_root
from pvtt.items.dispatcher import ArgumentT, ResultT

if TYPE_CHECKING:
    from submitit.core.core import Job
    from submitit.core.utils import DelayedSubmission

LOOK_EVERY_S = (0.1, 1.0)  # at a job's files: at first, and at most
ASK_EVERY_S = (1.0, 30.0)  # the controller
KILL_AFTER_S = 5.0
CANCEL_WITHIN_S = 60.0
NUM_LOG_LINES = 5  # in an error message


class SlurmDispatcher:
    """A `Dispatcher` over a Slurm cluster.

    Args:
        profile: What the jobs ask for.
        folder: For job scripts, logs and pickles, on a file system that the nodes share. The last call's are kept.
    """

    def __init__(self, profile: SlurmProfile, folder: Path) -> None:
        self._profile = profile
        self._folder = folder.resolve()

    @property
    def num_workers(self) -> int:
        return max(shards.parallel for shards in (self._profile.shards, *self._profile.stages.values()))

    def map(
        self, function: Callable[[ArgumentT], ResultT], arguments: Sequence[ArgumentT], *, name: str
    ) -> list[ResultT | BaseException]:
        """See `Dispatcher.map`. A job that died is a `WorkerDiedError`.

        Raises:
            ForeignCodeError: A job would run other code than this process sent.
        """
        if not arguments:
            return []
        shards = self._profile.stages.get(name, self._profile.shards)
        resources = {
            "partition": shards.partition or self._profile.partition,
            "gpus_per_node": self._gpus(shards.gpus),
            "mem": _gigabytes(shards.memory_gb),
            "array_parallelism": shards.parallel,
        }
        calls = [_Call(sent) for sent in send(function, arguments)]
        jobs = self._submit(name, calls, shards.cpus, shards.minutes, resources)
        results = self._wait(name, jobs, stop_at_error=False)
        return [result.value if result.error is None else result.error for result in results]

    def run(self, function: Callable[[ArgumentT], ResultT], argument: ArgumentT, *, name: str) -> ResultT:
        """See `Dispatcher.run`. Of several processes, rank 0's result is returned; the first error is raised."""
        run = self._profile.run
        resources = {
            "partition": run.partition or self._profile.partition,
            "nodes": run.nodes,
            "ntasks_per_node": run.num_processes_per_node,
            "gpus_per_node": self._gpus(run.gpus_per_node),
            "mem": _gigabytes(run.memory_gb_per_node),
            "exclusive": run.exclusive or None,
        }
        distributed = run.nodes * run.num_processes_per_node > 1
        calls = [_Call(sent, distributed) for sent in send(function, [argument])]
        jobs = self._submit(name, calls, run.cpus_per_process, run.minutes, resources)
        result: ResultT = self._wait(name, jobs, stop_at_error=True)[0].unwrap()
        return result

    def _gpus(self, count: int) -> str | None:
        if count == 0:
            return None
        return f"{self._profile.gpu_type}:{count}" if self._profile.gpu_type else str(count)

    def _job_name(self, name: str) -> str:
        """The same for the same stage of the same checkout, and for no other."""
        return f"pvtt-{name}-{hashlib.sha256(str(self._folder).encode()).hexdigest()[:8]}"

    def _submit(
        self, name: str, calls: Sequence[_Call], cpus: int, minutes: int, resources: dict[str, Any]
    ) -> list[Job[CallResult]]:
        """Submit the calls as one job, or as one job array. Raises `PvttError` where Slurm refuses it."""
        from submitit.core.utils import FailedJobError
        from submitit.helpers import clean_env
        from submitit.slurm.slurm import SlurmExecutor

        if shutil.which("sbatch") is None:
            raise PvttError(
                "sbatch is not installed on this machine, so there is no Slurm to send jobs to",
                "run on a login node, or unset PVTT_DISPATCH to run here",
            )
        if leftover := self._cancel(name):  # of a submitting process that was killed: nobody reads their results
            raise PvttError(
                f"{name}: Slurm jobs of an earlier run do not end: {', '.join(sorted(leftover))}",
                "`scontrol show job` says why; when they are gone, run the same command again",
            )
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        executor = SlurmExecutor(folder, max_num_timeout=self._profile.requeue.max_timeouts, python=self._python())
        executor.update_parameters(
            job_name=self._job_name(name),
            account=self._profile.account,
            qos=self._profile.qos,
            constraint=self._profile.constraint,
            cpus_per_task=cpus,
            time=minutes,
            signal_delay_s=self._profile.requeue.signal_s,
            setup=self._setup(cpus),
            srun_args=self._srun_args(cpus),
            additional_parameters={"requeue": True},
            **{key: value for key, value in resources.items() if value is not None},
        )
        try:
            cluster = os.environ.get("SLURM_CONF")
            with clean_env():  # a submitting process can be a job itself; its own variables would be taken for ours
                if cluster is not None:
                    os.environ["SLURM_CONF"] = cluster
                jobs = executor.submit_array(calls) if len(calls) > 1 else [executor.submit(calls[0])]
        except FailedJobError as error:
            reason = " ".join(str(error).removeprefix("sbatch: error: ").split())
            raise PvttError(
                f"{name}: Slurm refused the job: {reason}", "correct the Slurm profile; `sinfo` lists the partitions"
            ) from error
        return jobs

    def _python(self) -> str | None:
        """The command that starts the work on a node; None is this process's Python."""
        container = self._profile.container
        if container is None:
            return None if self._profile.venv is None else shlex.quote(f"{self._profile.venv}/bin/python")
        if container.runtime == "pyxis":
            return shlex.quote(container.python)
        binds = [f"--bind={mount}" for mount in container.mounts]
        return shlex.join(["apptainer", "exec", "--nv", *binds, container.image, container.python])

    def _srun_args(self, cpus: int) -> list[str]:
        # Slurm >= 22.05 does not hand sbatch's --cpus-per-task on to srun.
        arguments = [f"--cpus-per-task={cpus}", "--kill-on-bad-exit=1"]
        container = self._profile.container
        if container is not None and container.runtime == "pyxis":
            arguments.append(f"--container-image={container.image}")
            if container.mounts:
                arguments.append(f"--container-mounts={','.join(container.mounts)}")
        return arguments

    def _setup(self, cpus: int) -> list[str]:
        """Shell lines before the work; the last word is theirs that say what code runs, and with how many threads."""
        exports = [f"export {key}={shlex.quote(value)}" for key, value in sorted(self._profile.env.items())]
        threads = [
            f'export {variable}="${{{variable}:-{cpus}}}"' for variable in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
        ]
        return [*self._profile.setup, *exports, *_own_code(), *threads]

    def _wait(self, name: str, jobs: Sequence[Job[CallResult]], stop_at_error: bool) -> list[CallResult]:
        """The results of all tasks of all jobs. Jobs that still run when this ends, however it ends, are cancelled."""
        tasks = [job.task(index) for job in jobs for index in range(job.num_tasks)]
        pending = dict(enumerate(tasks))
        results: dict[int, CallResult] = {}
        gone: dict[str, float] = {}  # job id -> when it was first missed in the queue
        look_s, ask_s = LOOK_EVERY_S[0], ASK_EVERY_S[0]
        asked = time.monotonic()
        try:
            while pending:
                time.sleep(look_s)
                look_s = min(2 * look_s, LOOK_EVERY_S[1])
                now = time.monotonic()
                if now - asked >= ask_s:
                    asked, ask_s = now, min(2 * ask_s, ASK_EVERY_S[1])
                    active = self._active(name)
                    if active is not None:
                        gone = {job.job_id: gone.get(job.job_id, now) for job in jobs if job.job_id not in active}
                for index, task in list(pending.items()):
                    if task.paths.result_pickle.exists():
                        results[index] = _load(task)
                    elif now - gone.get(task.job_id, now) > self._profile.file_system_lag_s:
                        results[index] = CallResult(error=_died(name, task))
                    else:
                        continue
                    del pending[index]
                    error = results[index].error
                    # The other ranks wait for this one, and would for ever; other code is every task's trouble.
                    if error is not None and (stop_at_error or isinstance(error, ForeignCodeError)):
                        raise error
        finally:
            if pending:
                self._cancel(name)
        return [results[index] for index in range(len(tasks))]

    def _active(self, name: str) -> set[str] | None:
        """Ids of this stage's jobs that are queued or running; None where the controller does not answer."""
        command = ["squeue", "--me", "--noheader", "--array", "--format=%i", f"--name={self._job_name(name)}"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        return set(answer.stdout.split()) if answer.returncode == 0 else None

    def _cancel(self, name: str) -> set[str]:
        """Cancel this stage's jobs and wait for their end; returns those that did not end."""
        scancel = ["scancel", "--quiet", "--me", f"--name={self._job_name(name)}"]
        start = time.monotonic()
        while active := self._active(name):
            waited = time.monotonic() - start
            if waited > CANCEL_WITHIN_S:
                return active
            subprocess.run([*scancel, "--state=PENDING"], check=False)
            # submitit ignores the SIGTERM of a plain scancel; SIGINT is a KeyboardInterrupt in the work.
            subprocess.run([*scancel, "--signal=INT" if waited < KILL_AFTER_S else "--signal=KILL"], check=False)
            time.sleep(0.5)
        return set()


@dataclass(frozen=True)
class _Call:
    """What a job calls. Preempted or out of time, it starts again from the start: the work itself resumes."""

    sent: SentCall
    distributed: bool = False

    def __call__(self) -> CallResult:
        try:
            self.sent.check()
        except ForeignCodeError as error:
            return CallResult(error=error)
        if self.distributed:
            from submitit.helpers import TorchDistributedEnvironment

            # A process sees all GPUs of its node, as NCCL wants it, and takes the one of its LOCAL_RANK.
            TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        return call(*self.sent.unpack())

    def checkpoint(self) -> DelayedSubmission:
        """What submitit puts back in the queue."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self)


def _own_code() -> list[str]:
    """Put this process's checkout first on a job's PYTHONPATH; an installed copy is the nodes' own to find.

    Slurm hands the variable on, but a profile's `env`, a module or a login shell can set another.
    """
    root = running_root()
    if root == Path(sysconfig.get_path("purelib")).resolve():
        return []
    return [f'export PYTHONPATH={shlex.quote(str(root))}"${{PYTHONPATH:+:$PYTHONPATH}}"']


def _gigabytes(memory: int | None) -> str | None:
    return None if memory is None else f"{memory}GB"


def _load(task: Job[CallResult]) -> CallResult:
    """The result of a task that wrote one. Errors get a note that says where the task's log is."""
    try:
        result = task.result()
    except Exception as error:  # the work did not even start, for example because an import failed on the node
        lines = [line for line in str(error).splitlines() if line.strip()]
        cause = next((line for line in reversed(lines) if "Error" in line and not line.startswith(" ")), str(error))
        result = CallResult(error=WorkerDiedError(f"Slurm job {task.job_id}: {cause}", f"read {task.paths.stderr}"))
    if result.error is not None:
        result.error.add_note(f"log: {task.paths.stderr}")
    return result


def _died(name: str, task: Job[CallResult]) -> WorkerDiedError:
    """What is known about a task that left the queue without a result."""
    answer = subprocess.run(
        ["scontrol", "show", "job", "--oneliner", task.job_id], capture_output=True, text=True, check=False
    )
    fields = dict(field.split("=", 1) for field in answer.stdout.split() if "=" in field)
    known = [f"{key}={fields[key]}" for key in ("JobState", "Reason", "ExitCode") if key in fields]
    log = task.paths.stderr
    lines = log.read_text(errors="replace").splitlines()[-NUM_LOG_LINES:] if log.exists() else ["no log was written"]
    return WorkerDiedError(
        f"{name}: Slurm job {task.job_id} ended without a result ({', '.join(known) or 'no longer known to Slurm'}): "
        + " | ".join(line.strip() for line in lines),
        f"read {log}",
    )
