"""A stage that turns everything away says why, and does not leave it to DVC to miss a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.stages.all import STAGES
from tests.scenes import add_product, draw_shot, small_params, video_bytes

by_name = {stage.name: stage for stage in STAGES}


@pytest.mark.parametrize(
    ("name", "reason"), [("clip", "too_short"), ("photos", r"too_few_photos \(2\), undecodable \(1\)")]
)
def test_why_nothing_is_left_is_said(tmp_path: Path, name: str, reason: str) -> None:
    workspace = Workspace(tmp_path)
    film = video_bytes(tmp_path, [draw_shot(0, 2)[0]])
    add_product(workspace, "BOTT001", [film], [b"<html>"])
    add_product(workspace, "BOTT002", [film])
    with pytest.raises(PvttError, match=rf"{name}: nothing is left in outs/{name}/\w+: .*{reason}") as caught:
        by_name[name].run(workspace, small_params(), InlineDispatcher())
    assert caught.value.hint is not None
    assert f"outs/{name}/rejects.jsonl" in caught.value.hint
    assert (workspace.out(name) / "rejects.jsonl").stat().st_size > 0


def test_that_nothing_came_in_is_said_too(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    add_product(workspace, "BOTT001", [video_bytes(tmp_path, [np.zeros((4, 32, 48, 3), np.uint8)])])
    with pytest.raises(PvttError):
        by_name["clip"].run(workspace, small_params(), InlineDispatcher())
    with pytest.raises(PvttError, match="segment: nothing is left in outs/segment/masks: nothing came in"):
        by_name["segment"].run(workspace, small_params(), InlineDispatcher())
