"""pvtt-tiny is written from a workspace in which the stages have run, and training continues it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pvtt.builtin.wan_tiny.champion import write_champion
from pvtt.errors import MissingInputError
from pvtt.files.workspace import Workspace
from pvtt.models.contracts import Contracts
from pvtt.models.loading import ENCODER_PARTS
from pvtt.models.origin import model_sha256
from pvtt.params.file import load_params
from pvtt.training.model import champion_model
from tests.evaluated import EvaluatedProject

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


def test_the_champion_is_the_trained_model_in_16_bits_with_its_logs(
    evaluated_project: EvaluatedProject, tmp_path: Path
) -> None:
    workspace, folder = evaluated_project.workspace, tmp_path / "pvtt-tiny"
    if not workspace.params_file.exists():
        workspace.params_file.write_text(json.dumps(evaluated_project.params.model_dump(mode="json", by_alias=True)))
    folder.mkdir()
    (folder / "README.md").write_text("# pvtt-tiny\n")
    size = write_champion(workspace, folder)
    assert size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    model = workspace.out("train_stage2") / "model"
    trained, shipped = load_file(model / WEIGHTS), load_file(folder / WEIGHTS)
    assert all(torch.equal(trained[name].to(shipped[name].dtype), shipped[name]) for name in trained)
    assert shipped["blocks.0.attn1.to_q.weight"].dtype == torch.float16  # the loader keeps norms and modulation
    assert all(model_sha256(folder / part) == model_sha256(model / part) for part in ENCODER_PARTS)
    assert not any("_name_or_path" in path.read_text() for path in folder.rglob("*.json"))
    assert Contracts.load(folder) == Contracts.load(model)
    assert (folder / "README.md").read_text() == "# pvtt-tiny\n"
    assert (folder / "training" / "train_stage2_loss.csv").read_text().startswith("step,loss")
    assert load_params(folder / "training" / "params.yaml") == evaluated_project.params
    continued = champion_model(folder, workspace.root / "models" / "base", evaluated_project.params.model, {}, 0)
    assert continued.dtype == torch.float32


def test_without_a_training_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="train_stage1"):
        write_champion(Workspace(tmp_path), tmp_path / "pvtt-tiny")
    assert not (tmp_path / "pvtt-tiny").exists()
