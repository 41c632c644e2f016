"""One run at a time, also after a kill; and progress that others can read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pvtt.errors import LockedError
from pvtt.files.lock import hold_lock, is_held
from pvtt.items.progress import Progress

HOLDER = """
import sys
from pathlib import Path
from pvtt.files.lock import hold_lock, is_held
with hold_lock(Path(sys.argv[1]), "pvtt clip"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_told_who_holds_the_lock_and_a_kill_frees_it(tmp_path: Path, project_root: Path) -> None:
    lock = tmp_path / "state" / "clip.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=project_root,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(LockedError, match=rf"pvtt clip \(process {holder.pid}, since ") as caught,
        hold_lock(lock, "me"),
    ):
        pass
    assert "wait until it ends" in str(caught.value.hint)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with hold_lock(lock, "me"):
        pass


def test_a_lock_is_free_after_its_block_and_after_an_error_in_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), hold_lock(tmp_path / "a.lock", "one"):
        raise KeyError
    with hold_lock(tmp_path / "a.lock", "two"):
        pass


def test_progress_writes_what_is_done_and_a_line_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "progress" / "train.json"
    with Progress("train", 10, path, done=4, unit="steps") as progress:
        assert progress.eta_s is None
        state = json.loads(path.read_text())
        assert (state["done"], state["eta_s"]) == (4, None)
        progress.advance(2, "loss 0.41")
        progress.update(10, "loss 0.40")
    state = json.loads(path.read_text())
    assert (state["stage"], state["done"], state["total"], state["note"]) == ("train", 10, 10, "loss 0.40")
    assert "train: 10/10 steps" in capsys.readouterr().err


def test_whether_a_lock_is_held_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    lock = tmp_path / "clip.lock"
    assert not is_held(lock)
    with hold_lock(lock, "pvtt clip"):
        assert is_held(lock)
    assert not is_held(lock)
    with hold_lock(lock, "pvtt clip"):
        pass
