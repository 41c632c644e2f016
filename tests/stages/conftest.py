"""Small params and a small crawled workspace for the data stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pvtt.files.workspace import Workspace
from pvtt.params.file import Params, load_params
from pvtt.records.base import Record, read_jsonl
from pvtt.records.catalog import Reject


@pytest.fixture(scope="session")
def small_params(project_root: Path) -> Params:
    """The project's params, for clips of 1 to 2 s at 192 by 128, 8 frames a second."""

    def change(section: Record, **values: object) -> Record:
        return section.model_copy(update=values)

    params = load_params(project_root / "params.yaml")
    return params.model_copy(
        update={
            "clip": change(
                params.clip, min_seconds=1.0, max_seconds=2.0, min_short_side=128, width=192, height=128, fps=8.0
            ),
            "segment": change(params.segment, key_frame_every=16),
            "photos": change(params.photos, size=128, min_photos=2, max_photos=3),
        }
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "project")


@pytest.fixture
def reasons(workspace: Workspace) -> Callable[[str], dict[str, str]]:
    """A stage's reject table as {item: reason}."""

    def read(stage: str) -> dict[str, str]:
        return {reject.item: reject.reason for reject in read_jsonl(workspace.out(stage) / "rejects.jsonl", Reject)}

    return read
