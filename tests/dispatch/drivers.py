"""A process that works on items over Slurm, as a stage does, and what tests ask of it and of the cluster.

python -m tests.dispatch.drivers PROFILE FOLDER COUNT    prints the items' results and reasons of failure, as JSON
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pvtt.dispatch.ledger import Attempt, Ledger, Submission
from pvtt.dispatch.profile import SlurmProfile
from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.items.runner import Item, run_items
from tests.dispatch import work

STAGE = "clip"
STARTED: list[subprocess.Popen[str]] = []


def mend_cluster() -> None:
    """After a test, however it ended: no driver is left, and jobs can start."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)
    mend_node()


def mend_node() -> None:
    """Let jobs start again."""
    for change in (["PartitionName=main", "State=UP"], ["NodeName=localhost", "State=RESUME"]):
        subprocess.run(["scontrol", "update", *change], check=False, capture_output=True)


@dataclass(frozen=True)
class Project:
    """A folder in which `COUNT` numbers are doubled over Slurm."""

    folder: Path
    profile: SlurmProfile
    count: int = 4

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / ".pvtt" / "slurm" / "jobs.sqlite")

    @property
    def submissions(self) -> list[Submission]:
        return self.ledger.submissions()

    @property
    def attempts(self) -> list[Attempt]:
        return [attempt for each in self.submissions for attempt in self.ledger.attempts(each)]

    @property
    def began(self) -> list[int]:
        """Items in the order in which work on them began; twice where it began again."""
        file = self.folder / "began"
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def hold(self, value: int) -> Path:
        """Hold an item up until the file is deleted."""
        file = self.folder / f"hold-{value}"
        file.touch()
        return file

    def start(self) -> subprocess.Popen[str]:
        """Start a process that waits for the results."""
        arguments = [self.profile.to_json(), str(self.folder), str(self.count)]
        command = [sys.executable, "-m", "tests.dispatch.drivers", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        STARTED.append(process)
        return process

    def finish(self, process: subprocess.Popen[str] | None = None) -> tuple[dict[str, str], str]:
        """What a process found, by item, and what it said; by default a new one."""
        output, said = (process or self.start()).communicate(timeout=240)
        assert output, said
        result: dict[str, str] = json.loads(output)
        return result, said

    def undisturbed(self, *failed: int) -> dict[str, str]:
        """What comes out when nothing happens, but for items that fail."""
        return {f"N{value}": "" if value in failed else str(2 * value) for value in range(self.count)}

    def queued(self) -> list[str]:
        """Ids of this project's jobs in the queue or at work."""
        name = self.submissions[-1].job_name if self.submissions else "none"
        answer = subprocess.run(
            ["squeue", "--me", "--noheader", "--array", "--format=%i", f"--name={name}"],
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout.split()

    def until(self, condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
        """Wait until something is so, while a process lives."""
        end = time.monotonic() + 90
        while not condition():
            assert process is None or process.poll() is None, process and process.communicate()
            assert time.monotonic() < end
            time.sleep(0.05)

    def is_at_work(self, value: int) -> bool:
        return value in self.began

    def is_ended(self, value: int) -> bool:
        """Whether the process that worked on an item last is gone."""
        try:
            os.kill(int((self.folder / f"pid-{value}").read_text()), 0)
        except ProcessLookupError:
            return True
        return False

    def job_of(self, value: int) -> str:
        """The task that has an item, of the last array."""
        return f"{self.submissions[-1].job_id}_{value % self.submissions[-1].num_tasks}"

    def kill(self, process: subprocess.Popen[str], number: signal.Signals) -> str:
        """End a process by a signal; returns what it said."""
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        return said


def scancel(*arguments: str) -> None:
    subprocess.run(["scancel", *arguments], check=True)


def scontrol(*arguments: str) -> None:
    subprocess.run(["scontrol", *arguments], check=True)


def main(arguments: Sequence[str]) -> None:
    from pvtt.dispatch import SlurmDispatcher

    profile, folder, count = SlurmProfile.from_json(arguments[0]), Path(arguments[1]), int(arguments[2])
    items = [Item(f"N{value}", work.Number(value=value, folder=str(folder)), (str(value),)) for value in range(count)]
    workspace = Workspace(folder)
    try:
        outcome = run_items(
            STAGE, items, work.multiply, work.Settings(), workspace, SlurmDispatcher(profile, workspace.state / "slurm")
        )
    except PvttError as error:
        print(f"{type(error).__name__}: {error.message}\n{error.hint}", file=sys.stderr)
        print(json.dumps({"error": type(error).__name__}))
        return
    found = {done.name: (done.directory / "out.txt").read_text() for done in outcome.done}
    print(json.dumps({item.name: found.get(item.name, "") for item in items}))


if __name__ == "__main__":
    main(sys.argv[1:])
