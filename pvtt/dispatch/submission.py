"""Sending calls to Slurm through submitit: the job's script, and patience with a controller that does not answer."""

from __future__ import annotations

import os
import pickle
import shlex
import shutil
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.dispatch import controller
from pvtt.dispatch.ledger import Ledger, Submission, SubmissionState
from pvtt.dispatch.local import THREAD_VARIABLES
from pvtt.dispatch.node_call import NodeCall
from pvtt.dispatch.profile import SlurmProfile
from pvtt.dispatch.sent_call import SentCall
from pvtt.dispatch.stop_signals import StopSignals
from pvtt.dispatch.tell import tell
from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_write_bytes
from pvtt.files.code import running_root

if TYPE_CHECKING:
    from submitit.slurm.slurm import SlurmExecutor

CALLS_FILE = "calls.pkl"
TRY_AGAIN_S = (5.0, 60.0)  # at first, and at most
KEEP_SUBMISSIONS = 20  # folders a stage, with the logs of every attempt
# What a profile hands on to sbatch as it stands.
PASSED_ON = (
    "account",
    "qos",
    "constraint",
    "comment",
    "dependency",
    "exclude",
    "mail_type",
    "mail_user",
    "nodelist",
    "wckey",
)


@dataclass(frozen=True)
class JobRequest:
    """What a job, or each task of an array, asks for.

    Args:
        cpus: A process.
        minutes: The time limit.
        place: The part of the profile that says so, for example `shards`.
        resources: For submitit.
        gpus: A task, of all its nodes.
        num_ranks: Processes a task.
    """

    cpus: int
    minutes: int
    place: str
    resources: dict[str, Any]
    gpus: int = 0
    num_ranks: int = 1


def submit(
    profile: SlurmProfile,
    request: JobRequest,
    calls: Sequence[SentCall],
    submission: Submission,
    ledger: Ledger,
    stop: StopSignals,
) -> Submission:
    """Send calls as one job, or as one array; returns the submission with its job id.

    Raises:
        PvttError: Slurm refuses it, or the controller is silent for `controller_patience_minutes`.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError
    from submitit.helpers import clean_env

    folder = Path(submission.folder)
    folder.mkdir(parents=True)
    atomic_write_bytes(folder / CALLS_FILE, pickle.dumps(list(calls)))
    works = [NodeCall(sent, request.num_ranks > 1, request.minutes, request.place) for sent in calls]
    executor = _executor(profile, request, folder, submission.job_name)
    patience = Patience(profile, submission.stage, stop)
    while True:
        try:
            cluster = os.environ.get("SLURM_CONF")
            with clean_env():  # a submitting process can be a job itself; its own variables would be taken for ours
                if cluster is not None:
                    os.environ["SLURM_CONF"] = cluster
                jobs = executor.submit_array(works) if len(works) > 1 else [executor.submit(works[0])]
            return ledger.sent(submission, jobs[0].job_id.partition("_")[0])
        except (FailedJobError, FailedSubmissionError) as error:
            stop.check()  # Ctrl-C reaches sbatch too
            reason = " ".join(str(error).replace("sbatch: error: ", "").split())
            if not controller.is_silence(reason):
                ledger.close(submission, SubmissionState.FAILED, f"Slurm refused the job: {reason}")
                raise PvttError(f"{submission.stage}: Slurm refused the job: {reason}", _remedy(reason)) from error
            patience.wait(reason)
            controller.cancel(submission.job_name, sleep=stop.sleep)  # it may have it all the same


def _remedy(reason: str) -> str:
    if "QOS" in reason or "ssoc" in reason or "limit" in reason.lower():
        return "ask for less in the Slurm profile, or wait for your other jobs; `sacctmgr show qos` lists the limits"
    return "correct the Slurm profile; `sinfo` lists the partitions"


class Patience:
    """Waits for a controller that does not answer, in words and not for ever."""

    def __init__(self, profile: SlurmProfile, stage: str, stop: StopSignals) -> None:
        self._limit_s = 60.0 * profile.controller_patience_minutes
        self._stage, self._stop = stage, stop
        self._start = time.monotonic()
        self._pause_s = TRY_AGAIN_S[0]

    def wait(self, reason: str) -> None:
        """Wait before the next try. Raises `PvttError` when patience ends."""
        waited = time.monotonic() - self._start
        if waited + self._pause_s > self._limit_s:
            raise PvttError(
                f"{self._stage}: Slurm's controller has not answered for {waited:.0f} s: {reason}",
                "`scontrol ping` says whether it is up; when it is, run the same command again: it continues",
            )
        tell(f"{self._stage}: Slurm's controller does not answer ({reason}); next try in {self._pause_s:.0f} s")
        self._stop.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, TRY_AGAIN_S[1])


def read_calls(submission: Submission) -> list[SentCall] | None:
    """The calls of a submission, as they were sent; None where they cannot be read any more."""
    try:
        calls: list[SentCall] = pickle.loads((Path(submission.folder) / CALLS_FILE).read_bytes())
    except Exception:  # a file cut short, or of another version of these classes
        return None
    return calls


def prune(ledger: Ledger, stage: str) -> None:
    """Delete the folders of a stage's oldest submissions; the ledger keeps what came of them."""
    ended = [each for each in ledger.submissions(stage) if not each.is_open]
    for old in ended[:-KEEP_SUBMISSIONS]:
        shutil.rmtree(old.folder, ignore_errors=True)


def python_of(profile: SlurmProfile) -> str | None:
    """The command that starts the work on a node; None is this process's Python."""
    container = profile.container
    if container is None:
        return None if profile.venv is None else shlex.quote(f"{profile.venv}/bin/python")
    if container.runtime == "pyxis":
        return shlex.quote(container.python)
    binds = [f"--bind={mount}" for mount in container.mounts]
    return shlex.join(["apptainer", "exec", "--nv", *binds, container.image, container.python])


def srun_args(profile: SlurmProfile, cpus: int) -> list[str]:
    """What srun needs beside what sbatch hands on to it."""
    # Slurm >= 22.05 does not hand sbatch's --cpus-per-task on to srun.
    arguments = [f"--cpus-per-task={cpus}", "--kill-on-bad-exit=1"]
    container = profile.container
    if container is not None and container.runtime == "pyxis":
        arguments.append(f"--container-image={container.image}")
        if container.mounts:
            arguments.append(f"--container-mounts={','.join(container.mounts)}")
    return arguments


def _executor(profile: SlurmProfile, request: JobRequest, folder: Path, job_name: str) -> SlurmExecutor:
    from submitit.slurm.slurm import SlurmExecutor

    executor = SlurmExecutor(folder, max_num_timeout=profile.requeue.max_timeouts, python=python_of(profile))
    more = {"requeue": True} | ({"reservation": profile.reservation} if profile.reservation else {})
    passed_on: dict[str, Any] = {name: getattr(profile, name) for name in PASSED_ON}
    executor.update_parameters(
        job_name=job_name,
        cpus_per_task=request.cpus,
        time=request.minutes,
        signal_delay_s=profile.requeue.signal_s,
        setup=_setup(profile, request.cpus),
        srun_args=srun_args(profile, request.cpus),
        additional_parameters=more,
        wckey=passed_on.pop("wckey"),  # None too: submitit has one of its own
        **{key: value for key, value in (passed_on | request.resources).items() if value is not None},
    )
    return executor


def _setup(profile: SlurmProfile, cpus: int) -> list[str]:
    """Shell lines before the work. The profile's can change the threads; the code is always this process's own."""
    # sbatch hands on the login shell's variables, and its number of threads is not the job's.
    threads = [f"export {variable}={cpus}" for variable in THREAD_VARIABLES]
    exports = [f"export {key}={shlex.quote(value)}" for key, value in sorted(profile.env.items())]
    return [*threads, *profile.setup, *exports, *_own_code()]


def _own_code() -> list[str]:
    """Put this process's checkout first on a job's PYTHONPATH; an installed copy is the nodes' own to find.

    Slurm hands the variable on, but a profile's `env`, a module or a login shell can set another.
    """
    root = running_root()
    if root == Path(sysconfig.get_path("purelib")).resolve():
        return []
    return [f'export PYTHONPATH={shlex.quote(str(root))}"${{PYTHONPATH:+:$PYTHONPATH}}"']
