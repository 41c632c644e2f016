"""The queue over real workspaces, with small commands in place of the stages' code: what is run, kept and told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pvtt.ablation.basis import STAGE_NAMES, Basis, code_folder
from pvtt.ablation.experiment import Attempt, Experiment, plan, seconds_left
from pvtt.ablation.queue import Watch, in_words, run_experiments
from pvtt.ablation.spec import load_ablation
from pvtt.errors import FailureBudgetError, LockedError, StorageError
from pvtt.files.workspace import Workspace
from pvtt.records.process import Failure, ProgressState
from tests.ablation.projects import ROOT, small_values, write_spec

# What each "stage" does: it notes that it ran, then does as a file in the project says.
COMMAND = """
import json, os, sys, time
from pathlib import Path
stage, root = sys.argv[1], Path.cwd()
plan = json.loads((root.parents[5] / "plan.json").read_text())
row = root.parent.name
with (root.parents[5] / "ran.txt").open("a") as file:
    file.write(f"{row} {root.name} {stage} {os.environ['OMP_NUM_THREADS']} {os.environ['PVTT_DISPATCH']}\\n")
assert json.loads((root / "params.yaml").read_text())["seed"] == int(root.name.removeprefix("seed-"))
if plan.get("paths"):
    with (root.parents[5] / "paths.txt").open("a") as file:
        print(os.environ["PYTHONPATH"], file=file)
if stage == "encode" and plan.get("encodes"):
    alone = root.parents[5] / "encoding"
    alone.mkdir()  # fails where another is at it
    time.sleep(0.2)
    alone.rmdir()
what = plan.get(f"{row} {stage}")
if what == "wait":
    (root.parents[5] / "waiting").touch()
    time.sleep(60)
if what:
    code = int(what)
    failure = {"exit_code": code, "message": "it broke", "hint": "mend it"}
    Path(os.environ["PVTT_FAILURE_FILE"]).parent.mkdir(parents=True, exist_ok=True)
    Path(os.environ["PVTT_FAILURE_FILE"]).write_text(json.dumps(failure))
    sys.exit(code)
"""


class Case:
    """An ablation of two rows and two seeds in a project whose code is `COMMAND`."""

    def __init__(self, root: Path, **changes: Any) -> None:
        self.project = Workspace(root)
        self.folder = self.project.state / "ablations" / "two"
        self.ablation = load_ablation(write_spec(root, **changes))
        self.basis = Basis(code=dict.fromkeys(STAGE_NAMES, "a"), params=small_values(), inputs={"entries.jsonl": "b"})
        package = code_folder(self.folder, self.basis) / "pvtt" / "cli"
        package.mkdir(parents=True, exist_ok=True)
        (package.parent / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(COMMAND)
        self.does()

    def does(self, **what: str) -> None:
        (self.project.root / "plan.json").write_text(
            json.dumps({name.replace("__", " "): value for name, value in what.items()})
        )

    @property
    def experiments(self) -> list[Experiment]:
        return plan(self.ablation, self.basis, self.folder)

    def ran(self) -> list[str]:
        """What ran since this was asked last."""
        file = self.project.root / "ran.txt"
        lines = file.read_text().splitlines() if file.is_file() else []
        file.unlink(missing_ok=True)
        return lines

    def run(self, jobs: int = 1) -> None:
        run_experiments(self.experiments, self.project, jobs)

    def statuses(self) -> dict[str, str]:
        return {one.name: one.status() for one in self.experiments}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_each_stage_runs_once_in_order_one_thread_and_the_first_seed_of_all_rows_first(case: Case) -> None:
    case.run()
    assert case.ran() == [
        f"{row} seed-{seed} {stage} 1 inline"
        for seed in (0, 1)
        for row in ("frames", "tokens")
        for stage in STAGE_NAMES
    ]
    assert set(case.statuses().values()) == {"done"}
    case.run()
    assert case.ran() == []


def test_samples_are_encoded_where_the_environment_says(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVTT_DISPATCH", "local:3")
    case.run()
    assert set(case.ran()) == {
        f"{row} seed-{seed} {stage} 1 local:3"
        for seed in (0, 1)
        for row in ("frames", "tokens")
        for stage in STAGE_NAMES
    }


def test_an_experiment_finds_its_own_code_first_and_then_what_the_person_named(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "libraries"))
    case.does(paths="told")
    case.run()
    code = code_folder(case.folder, case.basis)
    told = set((tmp_path / "paths.txt").read_text().splitlines())
    assert told == {os.pathsep.join((str(code), str(tmp_path / "libraries")))}


def test_equal_samples_are_encoded_by_one_experiment_at_a_time_and_then_come_from_the_cache(tmp_path: Path) -> None:
    frames = {"name": "frames", "label": "frames", "set": ["model.conditioning=[mask_channels,reference_frames]"]}
    case = Case(tmp_path, seeds=[0, 1, 2], fixed=["encode.seed=5"], reference=frames)
    assert len({one.samples_key for one in case.experiments}) == 1
    assert len({one.stage_keys["train_stage1"] for one in case.experiments}) == len(case.experiments)
    case.does(encodes="one at a time")
    case.run(jobs=6)
    assert set(case.statuses().values()) == {"done"}


def test_samples_differ_by_seed_and_by_what_the_conditioning_reads_of_them(case: Case) -> None:
    assert len({one.samples_key for one in case.experiments}) == 4  # a collage in one row's


def test_a_failed_experiment_stops_no_other_and_is_tried_again_from_where_it_failed(case: Case) -> None:
    case.does(tokens__train_stage2="1")
    with pytest.raises(FailureBudgetError, match="2 of 4 experiments failed: tokens seed 0: train_stage2: it broke"):
        case.run(jobs=2)
    assert case.statuses() == {
        "frames seed 0": "done", "tokens seed 0": "failed", "frames seed 1": "done", "tokens seed 1": "failed"
    }  # fmt: skip
    outcome = case.experiments[1].outcome()
    assert outcome is not None
    assert (outcome.stage, outcome.failure) == (
        "train_stage2",
        Failure(exit_code=1, message="it broke", hint="mend it"),
    )
    case.ran()
    case.does()
    case.run()
    assert [line.split()[:3] for line in case.ran()] == [
        ["tokens", f"seed-{seed}", stage] for seed in (0, 1) for stage in ("train_stage2", "evaluate")
    ]


def test_a_fault_of_the_machine_ends_the_queue_and_blames_no_experiment(case: Case) -> None:
    case.does(frames__encode=str(StorageError.exit_code))
    with pytest.raises(StorageError, match="frames seed 0: it broke"):
        case.run()
    assert len(case.ran()) == 1
    assert set(case.statuses().values()) == {"waiting"}


def test_a_change_makes_again_only_what_depends_on_it(case: Case, tmp_path: Path) -> None:
    case.run()
    case.ran()
    changed = Case(tmp_path, fixed=["evaluate.save_videos=0"])
    assert set(changed.statuses().values()) == {"waiting"}
    changed.run()
    assert {line.split()[2] for line in changed.ran()} == {"evaluate"}

    changed.basis = changed.basis.model_copy(update={"code": changed.basis.code | {"train_stage2": "c"}})
    shutil.copytree(case.folder / "code", changed.folder / "new")
    shutil.move(next((changed.folder / "new").iterdir()), code_folder(changed.folder, changed.basis))
    changed.run()
    assert {line.split()[2] for line in changed.ran()} == {"train_stage2", "evaluate"}


def test_of_a_seed_more_only_the_experiments_with_it_are_made(tmp_path: Path) -> None:
    case = Case(tmp_path, seeds=[0])
    case.run()
    assert {line.split()[1] for line in case.ran()} == {"seed-0"}
    more = Case(tmp_path)
    more.run()
    assert {line.split()[1] for line in more.ran()} == {"seed-1"}


def test_what_another_process_runs_is_left_to_it(case: Case) -> None:
    first = case.experiments[0]
    with first.held(), pytest.raises(LockedError, match="another process runs frames seed 0"):
        case.run()
    assert {line.split()[0] for line in case.ran() if "seed-0" in line} == {"tokens"}
    assert case.statuses()["frames seed 0"] == "waiting"


def test_status_may_be_asked_at_any_time(case: Case) -> None:
    """Asking never takes an experiment from a run."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            case.statuses()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        case.run(jobs=2)
    finally:
        stop.set()
        thread.join()
    assert set(case.statuses().values()) == {"done"}


RUN = """
import sys
from pathlib import Path
from tests.ablation.test_queue import Case
Case(Path(sys.argv[1])).run()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_leaves_no_process_and_nothing_failed(case: Case, number: signal.Signals) -> None:
    root = case.project.root
    code = RUN.replace(
        "Case(Path(sys.argv[1]))", "case = Case(Path(sys.argv[1]))\ncase.does(frames__train_stage1='wait')\ncase"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    until((root / "waiting").exists)
    assert case.statuses()["frames seed 0"] == "running"
    process.send_signal(number)
    process.wait()
    until(lambda: not waiting_commands(root))
    assert case.statuses()["frames seed 0"] == "waiting"
    case.does()
    case.ran()
    case.run()
    assert [line.split()[2] for line in case.ran()][:3] == ["train_stage1", "train_stage2", "evaluate"]


def waiting_commands(root: Path) -> list[str]:
    """Processes that work in one of the case's workspaces."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(root):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def until(condition: Callable[[], object], within_s: float = 120.0) -> None:
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_the_estimate_is_of_what_is_left(case: Case) -> None:
    assert seconds_left(case.experiments, 1) is None
    case.does(tokens__encode="1")
    with pytest.raises(FailureBudgetError):
        case.run()
    for one in case.experiments:
        if one.is_done:
            one.add_attempt(Attempt(stage="train_stage1", seconds=100.0 - one.seconds()))
    expected = [100.0 - one.seconds() for one in case.experiments if not one.is_done]  # what failed tries took counts
    assert len(expected) == 2
    assert seconds_left(case.experiments, 1) == pytest.approx(sum(expected))
    assert seconds_left(case.experiments, 2) == pytest.approx(max(sum(expected) / 2, *expected))
    assert [in_words(seconds) for seconds in (40, 720, 12240)] == ["40 s", "12 min", "3.4 h"]


def test_a_trainings_pace_is_that_between_the_first_and_the_last_state_seen() -> None:
    watch = Watch("train_stage2")
    for done, elapsed in ((10, 4.0), (20, 24.0), (30, 44.0)):
        watch.see(
            ProgressState(
                stage="train_stage2",
                done=done,
                total=40,
                unit="steps",
                note="",
                started_at="",
                elapsed_s=elapsed,
                eta_s=None,
            )
        )
    attempt = watch.attempt(60.0)
    assert (attempt.seconds, attempt.steps, attempt.steps_seconds) == (60.0, 20, 40.0)
    assert Watch("encode").attempt(3.0) == Attempt(stage="encode", seconds=3.0)
