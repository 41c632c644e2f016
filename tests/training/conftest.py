from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pvtt.files.workspace import Workspace
from tests.training.samples import build_workspace


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For all of these tests."""


@pytest.fixture(scope="session")
def built_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Made once; tests get copies."""
    return build_workspace(tmp_path_factory.mktemp("training"))


@pytest.fixture
def workspace(built_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace in which `train_stage1` can run."""
    shutil.copytree(built_workspace.root, tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")
