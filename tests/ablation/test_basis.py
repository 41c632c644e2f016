"""What an ablation began with is what it goes on with, until a person says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvtt.ablation.basis import code_folder, fix_basis, read_basis
from pvtt.ablation.spec import load_ablation
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from tests.ablation.projects import small_values, write_spec


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """Params, entries and a model, as files of a few bytes."""
    values = small_values()
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    for name in ("outs/validate/entries.jsonl", "models/base/weights.safetensors", "models/other/weights.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return Workspace(tmp_path)


def test_the_first_run_fixes_it_and_copies_the_code(project: Workspace, tmp_path: Path) -> None:
    ablation, folder = load_ablation(write_spec(tmp_path)), tmp_path / ".pvtt" / "ablations" / "two"
    assert read_basis(folder) is None
    basis = fix_basis(ablation, project, folder, renew=False)
    assert read_basis(folder) == basis
    assert set(basis.inputs) == {"entries.jsonl", "base", "other"}
    copied = code_folder(folder, basis) / "pvtt"
    assert (copied / "cli" / "__main__.py").is_file()
    assert not (copied / "builtin" / "shop" / "site").exists()
    assert fix_basis(ablation, project, folder, renew=False) == basis


def test_what_changed_is_named_and_taken_only_on_demand(project: Workspace, tmp_path: Path) -> None:
    ablation, folder = load_ablation(write_spec(tmp_path)), tmp_path / ".pvtt" / "ablations" / "two"
    first = fix_basis(ablation, project, folder, renew=False)
    values = small_values()
    values["evaluate"]["num_steps"] = 7
    project.params_file.write_text(json.dumps(values))
    (tmp_path / "outs" / "validate" / "entries.jsonl").write_text("others")
    (tmp_path / "models" / "base" / "weights.safetensors").write_text("others")
    message = r"since two began, params\.yaml \(evaluate\.num_steps\), models/base, the data changed"
    with pytest.raises(PvttError, match=message) as caught:
        fix_basis(ablation, project, folder, renew=False)
    assert caught.value.hint is not None
    assert "--renew" in caught.value.hint
    assert read_basis(folder) == first
    renewed = fix_basis(ablation, project, folder, renew=True)
    assert read_basis(folder) == renewed != first
    assert renewed.code == first.code


def test_without_data_it_says_how_to_make_them(project: Workspace, tmp_path: Path) -> None:
    ablation = load_ablation(write_spec(tmp_path, data="elsewhere"))
    with pytest.raises(MissingInputError, match=r"entries\.jsonl does not exist") as caught:
        fix_basis(ablation, project, tmp_path / "folder", renew=False)
    assert "pvtt wan-tiny workspace" in str(caught.value.hint)
