"""One command of the pipeline: what it left for who started it, and what is known where it left nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pvtt.dispatch.command import StepError, run_step
from pvtt.files.workspace import Workspace
from pvtt.records.process import Failure, ProgressState

LEAVE = """
from pvtt.records.process import Failure, leave_failure
print("pvtt: a sentence in between")
leave_failure(Failure(exit_code=6, message="two rows are wrong", hint="mend them"))
print("ERROR: failed to run: pvtt validate, exited with 9")
raise SystemExit(9)
"""
ADVANCE = """
from pathlib import Path
from pvtt.items.progress import Progress
with Progress("clip", 4, Path(".pvtt/progress/clip.json")) as progress:
    progress.update(4, "JEWE001")
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def fail(workspace: Workspace, code: str) -> StepError:
    with pytest.raises(StepError) as caught:
        run_step(workspace, "clip", [sys.executable, "-c", code])
    return caught.value


def test_a_failure_is_told_by_its_record_whatever_is_printed(workspace: Workspace) -> None:
    error = fail(workspace, LEAVE)
    assert (error.message, error.hint, error.exit_code) == ("two rows are wrong", "mend them", 6)


def test_a_record_of_an_earlier_run_says_nothing_about_this_one(workspace: Workspace) -> None:
    workspace.failures.mkdir(parents=True)
    (workspace.failures / "clip.json").write_text(Failure(exit_code=6, message="of yesterday").to_json())
    error = fail(workspace, "import sys; print('no word'); sys.exit(3)")
    assert error.message == "clip failed with exit code 3: no word"
    assert error.hint == "read its log: .pvtt/logs/clip.log"


@pytest.mark.parametrize(
    "code",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "print('ERROR: failed to run: pvtt clip, exited with 143'); raise SystemExit(255)",  # DVC over dash
        "print('ERROR: failed to run: pvtt clip, exited with -15'); raise SystemExit(255)",  # DVC over bash
    ],
)
def test_a_killed_command_leaves_no_record_and_is_told_by_its_status(workspace: Workspace, code: str) -> None:
    error = fail(workspace, code)
    assert error.was_preempted
    assert error.exit_code == -signal.SIGTERM
    assert error.message == "clip was killed by SIGTERM"


def test_an_error_of_the_pvtt_command_reaches_the_flow(workspace: Workspace, project_root: Path) -> None:
    params = (project_root / "params.yaml").read_text()
    (workspace.root / "params.yaml").write_text(params.replace("min_seconds:", "min_secs:"))
    with pytest.raises(StepError, match=r"clip\.min_secs: unknown key") as caught:
        run_step(workspace, "clip", [sys.executable, "-m", "pvtt.cli", "clip"])
    assert caught.value.exit_code == 2


def test_progress_is_seen_while_it_lasts(workspace: Workspace) -> None:
    seen: list[ProgressState] = []
    run_step(workspace, "clip", [sys.executable, "-c", ADVANCE], seen.append)
    assert (seen[-1].stage, seen[-1].done, seen[-1].total, seen[-1].note) == ("clip", 4, 4, "JEWE001")


def test_a_command_may_end_with_the_process_that_started_it(workspace: Workspace, project_root: Path) -> None:
    """kill -9 of the starter: the command gets SIGTERM, and can save what it has."""
    wait = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "signal.signal(signal.SIGTERM, lambda *_: (Path('saved').touch(), sys.exit()))\n"
        "Path('pid').write_text(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    start = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pvtt.dispatch.command import run_step\n"
        "from pvtt.files.workspace import Workspace\n"
        f"run_step(Workspace(Path({str(workspace.root)!r})), 'wait', [sys.executable, '-c', {wait!r}], "
        "ends_with_parent=True)"
    )
    starter = subprocess.Popen([sys.executable, "-c", start], cwd=project_root)
    until((workspace.root / "pid").exists)
    starter.kill()
    starter.wait()
    until((workspace.root / "saved").exists)


def test_a_poll_that_raises_ends_the_command(workspace: Workspace) -> None:
    def stop() -> None:
        if (workspace.root / "started").exists():
            raise KeyboardInterrupt

    code = "import time; open('started', 'w').close(); time.sleep(60)"
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_step(workspace, "clip", [sys.executable, "-c", code], on_poll=stop)
    assert time.monotonic() - start < 30


def until(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)
