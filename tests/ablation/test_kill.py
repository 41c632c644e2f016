"""A real ablation of two rows: kill -9 in its middle, run again: the same table to the byte. And a seed more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ablation.projects import ROOT, build_project, copy_project, write_spec

FILES = ("table.md", "table.tex", "table.json", "plot.svg", "sheet.png")


def start(file: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pvtt.cli", "ablate", arguments[0], str(file), *arguments[1:]]
    environment = {name: value for name, value in os.environ.items() if name not in ("PVTT_CACHE_DIR", "PVTT_DISPATCH")}
    return subprocess.Popen(
        command,
        cwd=file.parent,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ablate(file: Path, *arguments: str, errors_too: bool = False) -> str:
    process = start(file, *arguments)
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    return printed + errors if errors_too else printed


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


@pytest.mark.timeout(1500)
def test_a_killed_ablation_goes_on_and_ends_in_the_same_table(tmp_path: Path) -> None:
    file = build_project(tmp_path / "whole")
    write_spec(file.parent, seeds=[0])
    other = copy_project(file.parent, tmp_path / "killed")
    write_spec(other.parent, seeds=[0])
    killed = other.parent

    ablate(file, "run", "--jobs", "2")
    ablate(file, "table", "--no-time", "--out", "table")

    # Killed in a training, with a checkpoint behind it.
    process = start(other, "run", "--jobs", "1")
    until(lambda: list(killed.glob(".pvtt/ablations/two/experiments/*/*/.pvtt/checkpoints/train_stage2/*.pt")), process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    states = {state["status"] for state in json.loads(ablate(other, "status", "--json"))["experiments"]}
    assert states == {"waiting"}

    process = start(other, "run", "--jobs", "2", "--json")
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert {state["status"] for state in json.loads(printed)["experiments"]} == {"done"}
    assert "frames seed 0 begins" in errors
    logs = killed / ".pvtt" / "ablations" / "two" / "experiments" / "frames" / "seed-0" / ".pvtt" / "logs"
    assert "continuing at step" in (logs / "train_stage2.log").read_text()
    assert not list(killed.glob(".pvtt/ablations/two/experiments/*/*/.pvtt/checkpoints/*/*.pt"))

    ablate(other, "table", "--no-time", "--out", "table")
    for name in FILES:
        assert (other.parent / "table" / name).read_bytes() == (file.parent / "table" / name).read_bytes(), name

    # One seed more: only its experiments are made.
    write_spec(file.parent)
    begun = ablate(file, "run", "--jobs", "2", errors_too=True)
    assert "seed 1 begins" in begun
    assert "seed 0 begins" not in begun
    ablate(file, "table", "--no-time", "--out", "table")
    table = json.loads((file.parent / "table" / "table.json").read_text())
    (line,) = table["blocks"][0]["lines"]
    assert line["seeds"] == [0, 1]
    assert line["cells"]["product_psnr"]["difference"]["num_seeds"] == 2
    assert line["cells"]["product_psnr"]["difference"]["num_products"] == 2
    assert line["cells"]["lpips"]["status"] == "not_measured"
    assert ablate(file, "run").startswith("done ")  # nothing is left to do
