"""One command in a process of its own: its output to a log, its progress to whoever looks, its failure to one line."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.records.process import FAILURE_FILE, Failure, ProgressState, read_left

POLL_EVERY_S = 0.25
TERMINATE_WITHIN_S = 35.0  # a stage closes its files, or ends its Slurm jobs, which takes 30 s at most
# DVC's last words about a command that failed; a negative status is the signal that killed it.
STAGE_FAILED = re.compile(r"exited with (-?\d+)")
_PR_SET_PDEATHSIG = 1  # Linux
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


class StepError(PvttError):
    """A command of the pipeline failed.

    Args:
        message: The command's own one-line message.
        hint: Its own next step, or where its log is.
        exit_code: The command's exit status; negative: the signal that killed it.
    """

    def __init__(self, message: str, hint: str | None, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type, tuple[str, str | None, int]]:  # type: ignore[override]  # one argument more
        return type(self), (self.message, self.hint, self.exit_code)

    @property
    def was_preempted(self) -> bool:
        """Whether the command was killed from outside: it continues from its last checkpoint when run again."""
        return -self.exit_code in (signal.SIGTERM, signal.SIGKILL)


def command_environment() -> dict[str, str]:
    """This process's environment, with the `pvtt` and `dvc` of its own interpreter first on PATH."""
    bin_directory = str(Path(sys.executable).parent)
    return os.environ | {"PATH": bin_directory + os.pathsep + os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1"}


def run_step(
    workspace: Workspace,
    name: str,
    command: Sequence[str],
    on_progress: Callable[[ProgressState], None] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    on_poll: Callable[[], None] | None = None,
    ends_with_parent: bool = False,
) -> str:
    """Run a command in the workspace's root to its end.

    Args:
        workspace: Where it runs. Its output goes to `.pvtt/logs/<name>.log`, the failure of a `pvtt` command in it to
            `.pvtt/failures/<name>.json`.
        name: The stage's name, by which its progress file is found.
        command: Program and arguments.
        on_progress: Called with each new state of `.pvtt/progress/<name>.json`.
        environment: Variables that it gets beside this process's own.
        on_poll: Called a few times a second; what it raises ends the command first.
        ends_with_parent: The command gets SIGTERM when this process dies, however it dies (Linux).

    Returns:
        What it printed.

    Raises:
        StepError: It failed; with the message, hint and exit code of the `Failure` that it left.
    """
    log = workspace.state / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = workspace.progress / f"{name}.json"
    failure = workspace.failures / f"{name}.json"
    for of_an_earlier_run in (progress, failure):
        of_an_earlier_run.unlink(missing_ok=True)
    with log.open("w", encoding="utf-8") as output:
        # A group of its own, so that whatever ends this process early can end the whole tree below it.
        process = subprocess.Popen(
            command,
            cwd=workspace.root,
            env=command_environment() | dict(environment or {}) | {FAILURE_FILE: str(failure)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=_ending_with(os.getpid()) if ends_with_parent else None,
        )
        try:
            last = None
            while True:
                running = process.poll() is None
                state = read_left(progress, ProgressState)
                if on_progress is not None and state is not None and state != last:
                    on_progress(state)
                    last = state
                if not running:
                    break
                if on_poll is not None:
                    on_poll()
                time.sleep(POLL_EVERY_S)
        except BaseException:
            _terminate(process)
            raise
    text = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode != 0:
        where = f"read its log: {log.relative_to(workspace.root)}"
        left = read_left(failure, Failure)
        if left is not None:
            raise StepError(left.message, left.hint or where, left.exit_code)
        raise _explain(name, text, process.returncode, where)
    return text


def _ending_with(parent: int) -> Callable[[], None]:
    """What a new process does first, so that the kernel ends it when `parent` dies: kill -9 leaves none behind."""

    def ask() -> None:
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """End the process's group: politely, then not."""
    for number, patience_s in ((signal.SIGTERM, TERMINATE_WITHIN_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience_s)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _explain(name: str, text: str, status: int, where: str) -> StepError:
    """What is known of a command that left no word: the signal that killed it, or the last line that it printed."""
    stage_status = STAGE_FAILED.findall(text)
    code = int(stage_status[-1]) if stage_status else status
    if code - 128 in tuple(signal.Signals):  # how a shell between us says that a signal killed its command
        code = 128 - code
    if code < 0:
        killed_by = signal.Signals(-code).name
        return StepError(f"{name} was killed by {killed_by}", "run the same command again: it continues", code)
    last = ([line for line in text.splitlines() if line.strip()] or ["it printed nothing"])[-1].strip()
    return StepError(f"{name} failed with exit code {code}: {last}", where, code)
