"""Where things are, and what is said of an output that no stage has written yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.errors import MissingInputError
from pvtt.files.workspace import Workspace, find_workspace, require_output


def test_a_workspace_is_found_from_any_folder_inside_it(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    inside = tmp_path / "outs" / "clip"
    inside.mkdir(parents=True)
    assert find_workspace(inside) == Workspace(tmp_path)
    assert find_workspace(inside).out("clip") == inside


def test_an_output_is_there_or_its_stage_is_named(tmp_path: Path) -> None:
    history = Workspace(tmp_path).out("train_stage1") / "loss.csv"
    with pytest.raises(MissingInputError, match=r"loss\.csv does not exist") as missing:
        require_output(history, "train_stage1")
    assert missing.value.hint == "run `dvc repro train_stage1` (or `pvtt train_stage1`) first"
    history.parent.mkdir(parents=True)
    history.touch()
    assert require_output(history, "train_stage1") == history
