"""Small params and a small crawled workspace for the data stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.records.base import read_jsonl
from pvtt.records.catalog import Reject
from tests.scenes import small_params


@pytest.fixture(scope="session", name="small_params")
def _small_params() -> Params:
    return small_params()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "project")


@pytest.fixture
def reasons(workspace: Workspace) -> Callable[[str], dict[str, str]]:
    """A stage's reject table as {item: reason}."""

    def read(stage: str) -> dict[str, str]:
        return {reject.item: reject.reason for reject in read_jsonl(workspace.out(stage) / "rejects.jsonl", Reject)}

    return read
