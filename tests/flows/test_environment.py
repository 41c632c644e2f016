"""Where a flow works."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.environment import own_workspace
from pvtt.errors import ForeignCodeError
from tests.own_code import own_code


def test_a_flow_works_in_the_workspace_whose_code_it_is(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_root / "docs")
    assert own_workspace().root == project_root
    second = own_code(project_root, tmp_path / "second", "the second clone")
    monkeypatch.chdir(second.root)
    with pytest.raises(ForeignCodeError, match=f"this project is {second.root}"):
        own_workspace()
