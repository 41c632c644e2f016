"""kill -9 in the middle of a stage, then the same command again: equal bytes, and nothing finished is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pvtt.dispatch import InlineDispatcher
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.stages import clip, segment
from tests.scenes import add_product, draw_shot, video_bytes

NUM_PRODUCTS = 4
RUN_STAGE = """
import importlib, sys
from pathlib import Path
from pvtt.dispatch import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
params = Params.model_validate_json(Path(sys.argv[3]).read_text())
importlib.import_module("pvtt.stages." + sys.argv[1]).run(Workspace(Path(sys.argv[2])), params, InlineDispatcher())
"""


def finished(workspace: Workspace, stage: str) -> dict[str, int]:
    """The finished items in the cache, with the time at which each was made."""
    entries = (workspace.cache / stage).glob("*/[0-9a-f]*/result.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in entries}


def run_until_killed(workspace: Workspace, stage: str, params_file: Path, root: Path) -> None:
    """Start the stage in its own process and kill it as soon as the first item is finished."""
    command = [sys.executable, "-c", RUN_STAGE, stage, str(workspace.root), str(params_file)]
    process = subprocess.Popen(command, cwd=root, start_new_session=True)
    while not finished(workspace, stage) and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("stage_name", ["clip", "segment"])
def test_a_killed_stage_goes_on_where_it_stopped(
    tmp_path: Path, small_params: Params, project_root: Path, stage_name: str
) -> None:
    interrupted, whole = Workspace(tmp_path / "interrupted"), Workspace(tmp_path / "whole")
    for number in range(NUM_PRODUCTS):
        content = video_bytes(tmp_path, [draw_shot(number, 14)[0]] * 2, fps=8.0)
        for workspace in (interrupted, whole):
            add_product(workspace, f"P{number}", [content])
    params_file = tmp_path / "params.json"
    params_file.write_text(json.dumps(small_params.model_dump(mode="json", by_alias=True)))
    stage = {"clip": clip, "segment": segment}[stage_name]
    if stage is segment:
        for workspace in (interrupted, whole):
            clip.run(workspace, small_params, InlineDispatcher())

    run_until_killed(interrupted, stage_name, params_file, project_root)
    before = finished(interrupted, stage_name)
    assert 1 <= len(before) < NUM_PRODUCTS
    assert not interrupted.out(stage_name).exists()

    stage.run(interrupted, small_params, InlineDispatcher())
    after = finished(interrupted, stage_name)
    assert len(after) == NUM_PRODUCTS
    assert before.items() <= after.items()  # the same entries, untouched

    stage.run(whole, small_params, InlineDispatcher())
    assert sha256_tree(interrupted.out(stage_name)) == sha256_tree(whole.out(stage_name))
