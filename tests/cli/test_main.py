"""The `pvtt` command: help, errors in one line, exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pvtt.cli.main import OTHER_COMMANDS
from pvtt.files.lock import hold_lock
from pvtt.records.process import Failure
from pvtt.stages.all import STAGE_NAMES
from tests.own_code import STAGE, own_code


def pvtt(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PVTT_DISPATCH": "inline"} | variables
    program = [sys.executable, "-m", "pvtt.cli", *arguments]
    return subprocess.run(program, cwd=directory, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def workspace(project_root: Path, tmp_path: Path) -> Path:
    shutil.copy(project_root / "params.yaml", tmp_path)
    return tmp_path


def test_help_lists_every_stage_and_command_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from pvtt.cli.main import command\n"
        "try: command.main(['--help'], prog_name='pvtt')\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'cv2', 'pandas', 'prefect', 'pydantic', 'scrapy', 'great_expectations', 'av'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in (*STAGE_NAMES, *OTHER_COMMANDS):
        assert f"  {name} " in result.stdout


@pytest.mark.parametrize("name", [*STAGE_NAMES, *OTHER_COMMANDS])
def test_every_command_has_help(tmp_path: Path, name: str) -> None:
    result = pvtt(tmp_path, name, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage: pvtt" in result.stdout


def test_a_stages_help_says_what_it_reads_and_writes(tmp_path: Path) -> None:
    help_text = pvtt(tmp_path, "segment", "--help").stdout
    for name in ("outs/clip/videos", "outs/segment/masks.jsonl"):
        assert name in help_text


def test_wrong_params_are_one_line_with_a_next_step(workspace: Path) -> None:
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("min_seconds:", "min_secs:"))
    result = pvtt(workspace, "clip")
    assert result.returncode == 2
    first, second = result.stderr.splitlines()
    assert "clip.min_secs: unknown key; the nearest valid name is clip.min_seconds" in first
    assert second.startswith("  next: ")


def test_missing_data_says_where_to_get_it(workspace: Path) -> None:
    result = pvtt(workspace, "clip")
    assert result.returncode == 3
    assert "dvc pull" in result.stderr
    assert "make run" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback(workspace: Path) -> None:
    result = pvtt(workspace, "--debug", "clip")
    assert result.returncode == 3
    assert "Traceback" in result.stderr


def test_a_second_run_names_the_holder_of_the_lock(workspace: Path) -> None:
    with hold_lock(workspace / ".pvtt" / "clip.lock", "pvtt clip"):
        result = pvtt(workspace, "clip")
    assert result.returncode == 5
    assert f"pvtt clip (process {os.getpid()}" in result.stderr


class TestFailureRecord:
    """What a command leaves for the flow that started it."""

    def test_an_error_is_left_where_the_starter_asks_for_it(self, workspace: Path, tmp_path: Path) -> None:
        file = tmp_path / "left" / "clip.json"
        result = pvtt(workspace, "clip", PVTT_FAILURE_FILE=str(file))
        failure = Failure.from_json(file.read_bytes())
        assert failure.exit_code == result.returncode == 3
        assert failure.hint is not None
        assert result.stderr == f"pvtt: {failure.message}\n  next: {failure.hint}\n"

    def test_wrong_usage_is_left_too(self, workspace: Path, tmp_path: Path) -> None:
        file = tmp_path / "clip.json"
        assert pvtt(workspace, "clip", "--fast", PVTT_FAILURE_FILE=str(file)).returncode == 2
        assert "--fast" in Failure.from_json(file.read_bytes()).message

    def test_a_fault_of_the_program_is_its_first_line(self, project_root: Path, tmp_path: Path) -> None:
        second = own_code(project_root, tmp_path / "second", "a fault")
        (second.root / STAGE).write_text("1 / 0\n")
        file = tmp_path / "photos.json"
        result = pvtt(second.root, "photos", PVTT_FAILURE_FILE=str(file), PYTHONPATH="")
        assert result.returncode == 1
        assert "Traceback" in result.stderr
        assert Failure.from_json(file.read_bytes()).message == "ZeroDivisionError: division by zero"

    def test_nothing_is_left_where_nobody_asks(self, workspace: Path) -> None:
        assert pvtt(workspace, "clip", "--fast").returncode == 2
        assert [path.name for path in workspace.iterdir()] == ["params.yaml"]
