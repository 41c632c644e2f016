"""A disk that is full, read-only or broken at any one call: one clear line, nothing half-written, nothing lost.

Here every call of every library and of one small stage fails in one way, and a sample of others' calls.
`make faults` lets every call of every command fail in every way.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require_program
from tests.faults.injection import compile_shim, run_under_shim

SAMPLED = ("clip",)
LONGER = ("crawl", "encode", "generate")
Found = dict[str, dict[str, Any]]
LIBRARIES = (
    "text",
    "csv",
    "json",
    "shutil file",
    "shutil tree",
    "PIL png",
    "PIL jpeg",
    "cv2",
    "av",
    "numpy",
    "numpy strided",
    "scratch",
    "torch",
    "safetensors",
    "append",
    "sqlite",
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_shim(tmp_path_factory.mktemp("shim"), require_program("cc"))


def find(shim: Path, folder: Path, *arguments: str) -> Found:
    """What came of faults, by library or command."""
    return printed_by(shim, folder, "-m", "tests.faults", "--json", *arguments)


def printed_by(shim: Path, folder: Path, *command: str) -> Found:
    printed = run_under_shim(command, shim, folder, capture=True)
    assert printed.stdout, printed.stderr
    return {counts["name"]: counts for counts in json.loads(printed.stdout)}


@pytest.fixture(scope="module")
def found(shim: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """In one process, as starting PyTorch takes longer than the faults."""
    only = [argument for name in ("libraries", *SAMPLED) for argument in ("--only", name)]
    return find(shim, tmp_path_factory.mktemp("found"), "--quick", "--sample", "5", *only)


@pytest.mark.parametrize("name", LIBRARIES)
def test_whatever_library_writes_a_fault_of_the_disk_is_told_and_nothing_is_half_written(
    found: Found, name: str
) -> None:
    counts = found[name]
    assert counts["violations"] == []
    assert counts["num_ended"] > 0.7 * counts["num_injections"] > 2  # the others are absorbed: a folder that is there


@pytest.mark.parametrize("command", SAMPLED)
def test_a_command_is_what_it_was_or_is_whole_at_a_sample_of_its_calls(found: Found, command: str) -> None:
    counts = found[command]
    assert counts["violations"] == []
    assert counts["num_injections"] >= 3


@pytest.mark.proof
@pytest.mark.parametrize("command", LONGER)
def test_so_is_a_longer_one(shim: Path, tmp_path: Path, command: str) -> None:
    counts = find(shim, tmp_path, "--quick", "--sample", "5", "--only", command)[command]
    assert counts["violations"] == []
    assert counts["num_injections"] >= 3


def test_nothing_is_left_out(found: Found) -> None:
    assert sorted(found) == sorted((*LIBRARIES, *SAMPLED))


def test_a_stage_whose_nth_write_fails_is_what_it_was_or_is_whole_for_every_n(shim: Path, tmp_path: Path) -> None:
    counts = find(shim, tmp_path, "--only", "photos", "--quick")["photos"]
    assert counts["violations"] == []
    assert counts["num_injections"] > 0.8 * counts["num_calls"] > 50
    assert counts["num_ended"] > 0.6 * counts["num_injections"]


def test_a_disk_that_cannot_be_read_is_no_fault_of_what_it_holds(shim: Path, tmp_path: Path) -> None:
    counts = find(shim, tmp_path, "--only", "clip", "--reads", "--sample", "6")["clip"]
    assert counts["violations"] == []
    assert counts["num_ended"] >= 3


@pytest.mark.proof
def test_copies_find_the_half_published_results_that_runs_from_the_start_find(shim: Path, tmp_path: Path) -> None:
    (fast,) = printed_by(shim, tmp_path, "-m", "tests.faults.planted").values()
    (slow,) = printed_by(shim, tmp_path, "-m", "tests.faults.planted", "--from-the-start").values()
    assert any("outs/photos is neither the old nor the new" in violation for violation in fast["violations"])
    assert sorted(fast["violations"]) == sorted(slow["violations"])
    for count in ("num_calls", "num_faults", "num_injections", "num_ended", "num_absorbed"):
        assert fast[count] == slow[count]


def test_a_loop_that_was_stopped_goes_on_from_its_file(shim: Path, tmp_path: Path) -> None:
    file = tmp_path / "faults.jsonl"
    options = ("--only", "photos", "--quick", "--sample", "12", "--state", str(file))
    whole = find(shim, tmp_path, *options)["photos"]
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:7]))
    assert find(shim, tmp_path, *options)["photos"]["num_injections"] == whole["num_injections"]
    assert len(file.read_text().splitlines()) == len(lines) > 7  # of a sample, a full disk refuses some calls only
