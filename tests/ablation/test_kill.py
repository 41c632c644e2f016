"""A real ablation, killed by -9 in the middle of a training, and run again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvtt.ablation.basis import read_basis
from pvtt.ablation.experiment import plan
from pvtt.ablation.spec import load_ablation
from pvtt.cli.ablate import command
from tests.ablation.projects import ROOT, build_project, write_spec

FILES = ("table.md", "table.tex", "table.json", "plot.svg", "sheet.png")


def start(file: Path, *arguments: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "pvtt.cli", "ablate", arguments[0], str(file), *arguments[1:]]
    environment = {name: value for name, value in os.environ.items() if name not in ("PVTT_CACHE_DIR", "PVTT_DISPATCH")}
    return subprocess.Popen(
        words,
        cwd=file.parent,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ablate(file: Path, *arguments: str) -> str:
    """In this process, as starting another takes longer than a table."""
    with contextlib.chdir(file.parent):
        result = CliRunner().invoke(command, [arguments[0], str(file), *arguments[1:]], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def states_of(printed: str) -> dict[str, str]:
    return {state["row"]: state["status"] for state in json.loads(printed)["experiments"]}


def kill_in_the_second_training(process: subprocess.Popen[str], experiment: Path) -> None:
    """With a checkpoint behind it."""
    until(lambda: list((experiment / ".pvtt" / "checkpoints" / "train_stage2").glob("*.pt")), process)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def check_it_went_on(experiment: Path) -> None:
    assert "continuing at step" in (experiment / ".pvtt" / "logs" / "train_stage2.log").read_text()
    assert not list((experiment / ".pvtt" / "checkpoints").glob("*/*.pt"))


@pytest.mark.proof  # the queue's own test kills a stage of another's code
def test_a_killed_row_goes_on_and_stands_in_the_table(tmp_path: Path) -> None:
    file = build_project(tmp_path)
    write_spec(tmp_path, seeds=[0])
    experiment = tmp_path / ".pvtt" / "ablations" / "two" / "experiments" / "frames" / "seed-0"
    kill_in_the_second_training(start(file, "run", "--only", "frames"), experiment)
    assert states_of(ablate(file, "status", "--json")) == {"frames": "waiting", "tokens": "waiting"}

    process = start(file, "run", "--only", "frames", "--json")
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert states_of(printed) == {"frames": "done"}
    check_it_went_on(experiment)
    table = json.loads(ablate(file, "table", "--no-time", "--format", "json"))
    assert (table["num_done"], table["num_experiments"]) == (1, 2)
    assert ablate(file, "run", "--only", "frames").startswith("done ")  # nothing is left to do


@pytest.mark.proof
@pytest.mark.timeout(1500)
def test_a_killed_ablation_goes_on_and_ends_in_the_same_table(tmp_path: Path) -> None:
    file = build_project(tmp_path / "whole")
    write_spec(file.parent, seeds=[0])
    whole = start(file, "run", "--jobs", "2")
    assert whole.wait() == 0, whole.communicate()[1]
    ablate(file, "table", "--no-time", "--out", "table")

    # The other row's experiment is done here as well, and this one's first training: it is killed in the second, with
    # a checkpoint behind it.
    killed = tmp_path / "killed"
    shutil.copytree(file.parent, killed, symlinks=True, ignore=shutil.ignore_patterns("table"))
    other = killed / file.name
    experiment = killed / ".pvtt" / "ablations" / "two" / "experiments" / "frames" / "seed-0"
    for made in (
        "outcome.json",
        "metrics/train_stage2.json",
        "metrics/evaluate.json",
        "outs/train_stage2",
        "outs/evaluate",
        ".pvtt/logs",
    ):
        path = experiment / made
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for stage in ("train_stage2", "evaluate"):
        (experiment / ".pvtt" / "finished" / f"{stage}.json").unlink()
    process = start(other, "run")
    kill_in_the_second_training(process, experiment)
    assert states_of(ablate(other, "status", "--json")) == {"frames": "waiting", "tokens": "done"}

    process = start(other, "run", "--json")
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert states_of(printed) == {"frames": "done", "tokens": "done"}
    assert "frames seed 0 begins" in errors
    assert "tokens" not in errors
    check_it_went_on(experiment)

    ablate(other, "table", "--no-time", "--out", "table")
    for name in FILES:
        assert (killed / "table" / name).read_bytes() == (file.parent / "table" / name).read_bytes(), name

    # One seed more, whose results are those of the first: the queue's own test has it made.
    folder = file.parent / ".pvtt" / "ablations" / "two"
    basis = read_basis(folder)
    assert basis is not None
    first, second = (
        [one for one in plan(load_ablation(write_spec(file.parent)), basis, folder) if one.seed == seed]
        for seed in (0, 1)
    )
    for made, copy in zip(first, second, strict=True):
        shutil.copytree(made.workspace.root, copy.workspace.root, symlinks=True)
        copy.write_outcome()
    ablate(file, "table", "--no-time", "--out", "table")
    table = json.loads((file.parent / "table" / "table.json").read_text())
    (line,) = table["blocks"][0]["lines"]
    assert line["seeds"] == [0, 1]
    assert line["cells"]["product_psnr"]["difference"]["num_seeds"] == 2
    assert line["cells"]["product_psnr"]["difference"]["num_products"] == 2
    assert line["cells"]["lpips"]["status"] == "not_measured"
    assert ablate(file, "run").startswith("done ")  # nothing is left to do
