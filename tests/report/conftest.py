"""A workspace with a report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.stages import decide, report
from tests.evaluated import EvaluatedProject


@pytest.fixture(scope="session")
def reported(evaluated_project: EvaluatedProject, tmp_path_factory: pytest.TempPathFactory) -> EvaluatedProject:
    """After `decide` and `report`."""
    root = tmp_path_factory.mktemp("reported") / "project"
    shutil.copytree(evaluated_project.workspace.root, root)
    workspace = Workspace(root)
    decide.run(workspace, evaluated_project.params, InlineDispatcher())
    report.run(workspace, evaluated_project.params, InlineDispatcher())
    return EvaluatedProject(workspace, evaluated_project.params)


@pytest.fixture
def page(reported: EvaluatedProject) -> Path:
    return reported.workspace.out("report") / "report.html"
