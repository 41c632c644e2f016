"""kill -9 in the middle of a stage, then the same command again: equal bytes, and nothing finished is done twice."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pvtt.dispatch import InlineDispatcher
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.stages import clip, segment
from pvtt.stages.all import find_stage
from tests.dataset.build import params as dataset_params
from tests.dataset.many import add_products
from tests.scenes import add_product, draw_shot, video_bytes

NUM_PRODUCTS = 4
NUM_KILLS = 10
# Ends this process by SIGKILL at the Nth time that it touches a file of the outs, the metrics or the item cache.
DIE = """
import os, signal, sys
touched, last = 0, int(sys.argv[4])
def touch(event, arguments):
    global touched
    path = str(arguments[0]) if arguments and event in ("open", "os.rename", "os.link", "os.mkdir", "os.remove") else ""
    if any(part in path for part in ("/outs/", "/metrics/", "/cache/")):
        touched += 1
        if touched == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(touch)
"""
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


def run_to(point: int, workspace: Workspace, stage: str, params_file: Path, root: Path) -> tuple[int, int]:
    """Run the stage and kill it at a point; 0 lets it end. Returns its exit code and how many points it had."""
    code = f"{DIE}{RUN_STAGE}\nprint(touched)"
    command = [sys.executable, "-c", code, stage, str(workspace.root), str(params_file), str(point)]
    process = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return process.returncode, int(process.stdout or 0)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stage_name", ["clip", "segment", "photos", "validate"])
def test_a_kill_at_any_of_ten_random_points_leaves_the_same_bytes(
    tmp_path: Path, small_params: Params, project_root: Path, stage_name: str
) -> None:
    """A point is a touch of a file: also between the files of an entry, and while the outs are written."""
    before, params = Workspace(tmp_path / "before"), small_params
    if stage_name == "validate":
        params = dataset_params()
        add_products(before, 12)
    else:
        for number in range(2):
            shots = [draw_shot(number + 2 * view, 14)[0] for view in range(3)]
            photos = [io.BytesIO() for _ in shots]
            for photo, shot in zip(photos, shots, strict=True):
                Image.fromarray(shot[0]).save(photo, format="PNG")
            film = video_bytes(tmp_path, shots[:2], fps=8.0)
            add_product(before, f"P{number}", [film], [photo.getvalue() for photo in photos])
        if stage_name == "segment":
            clip.run(before, params, InlineDispatcher())
    params_file = tmp_path / "params.json"
    params_file.write_text(json.dumps(params.model_dump(mode="json", by_alias=True)))

    def copy(name: str) -> Workspace:
        return Workspace(Path(shutil.copytree(before.root, tmp_path / name)))

    def results(workspace: Workspace) -> tuple[str, bytes | None]:
        metrics = workspace.metrics / f"{stage_name}.json"
        return sha256_tree(workspace.out(stage_name)), metrics.read_bytes() if metrics.is_file() else None

    whole = copy("whole")
    ended, num_points = run_to(0, whole, stage_name, params_file, project_root)
    assert ended == 0
    stage = find_stage(stage_name)
    assert stage is not None
    for point in random.Random(stage_name).sample(range(1, num_points + 1), NUM_KILLS):
        killed = copy(f"killed at {point}")
        assert run_to(point, killed, stage_name, params_file, project_root)[0] == -signal.SIGKILL
        stage.run(killed, params, InlineDispatcher())
        assert results(killed) == results(whole), f"killed at {point} of {num_points}"
        shutil.rmtree(killed.root)
