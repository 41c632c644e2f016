"""DVC sees every value that a stage reads: what `run` looks up in the params is among what the stage declares."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pvtt.dispatch import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.records.base import Record
from pvtt.stages.all import STAGES, find_stage
from pvtt.stages.stage import Stage
from tests.dataset.build import Rows
from tests.dataset.build import params as dataset_params
from tests.evaluated import EvaluatedProject
from tests.scenes import add_product, draw_shot, video_bytes


@contextmanager
def watched(params: Params, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The keys of the params that are looked up in the block: `section`, or `section.value` for a value in it."""
    sections = {
        id(value): field.alias or name
        for name, field in Params.model_fields.items()
        if isinstance(value := params.__dict__[name], Record)
    }
    values = {field.alias or name for name, field in Params.model_fields.items()} - set(sections.values())
    read: set[str] = set()
    look_up = Record.__getattribute__

    def watch(record: Record, name: str) -> Any:
        kind = type(record)
        if kind is Params and name in values:
            read.add(name)
        elif id(record) in sections and name in kind.model_fields:
            read.add(f"{sections[id(record)]}.{name}")
        elif id(record) in sections and name in ("model_dump", "to_json", "model_dump_json"):
            read.add(sections[id(record)])
        return look_up(record, name)

    with monkeypatch.context() as patch:
        patch.setattr(Record, "__getattribute__", watch)
        yield read


def undeclared(stage: Stage, read: set[str]) -> set[str]:
    return {key for key in read if not any(key == known or key.startswith(f"{known}.") for known in stage.params)}


def run(name: str, workspace: Workspace, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = find_stage(name)
    assert stage is not None
    with watched(params, monkeypatch) as read:
        stage.run(workspace, params, InlineDispatcher())
    assert read, "a stage that looks at no value would prove nothing"
    assert undeclared(stage, read) == set()


def test_the_data_stages_read_what_they_declare(
    tmp_path: Path, small_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "project")
    add_product(workspace, "P1", [video_bytes(tmp_path, [draw_shot(1, 14)[0]], fps=8.0)])
    for name in ("clip", "segment", "photos"):
        run(name, workspace, small_params, monkeypatch)


def test_validate_reads_what_it_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("validate", Rows(24).write(tmp_path), dataset_params(), monkeypatch)


def test_encode_reads_what_it_declares(
    evaluated_project: EvaluatedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(evaluated_project.workspace.root, tmp_path / "copy")
    workspace = Workspace(tmp_path / "copy")
    shutil.rmtree(workspace.cache)
    run("encode", workspace, evaluated_project.params, monkeypatch)


@pytest.mark.parametrize("name", ["evaluate", "decide", "report"])
def test_what_follows_training_reads_what_it_declares(
    evaluated_project: EvaluatedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copytree(evaluated_project.workspace.root, tmp_path / "copy")
    workspace = Workspace(tmp_path / "copy")
    if name == "report":
        run("decide", workspace, evaluated_project.params, monkeypatch)
    run(name, workspace, evaluated_project.params, monkeypatch)


def test_every_declared_section_has_a_schema_of_its_own() -> None:
    for stage in STAGES:
        for module in stage.sections:
            assert f"{module.replace('.', '/')}.py" in stage.code_files()
