"""The project's own `dvc.yaml`: what it lists, what it depends on, and that DVC accepts it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.graph import read_graph
from pvtt.params.file import Params
from pvtt.params.train import TrainParams
from pvtt.stages.all import STAGE_NAMES


@pytest.fixture(scope="module")
def dvc_yaml(project_root: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(project_root / "dvc.yaml")
    return loaded


@pytest.fixture(scope="module")
def params(project_root: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(project_root / "params.yaml")
    return loaded


@pytest.fixture(scope="module")
def checkout(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DVC's files of the project in a repository of their own, where nothing has run."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".dvc/config", ".dvc/plots/metric_bars.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_root / name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def dvc(root: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout


def test_stages_are_the_commands_in_order(dvc_yaml: dict[str, Any], checkout: Path) -> None:
    assert tuple(dvc_yaml["stages"]) == STAGE_NAMES
    assert [stage["cmd"] for stage in dvc_yaml["stages"].values()] == [f"pvtt {name}" for name in STAGE_NAMES]

    order = read_graph(checkout).order

    assert set(order) == set(STAGE_NAMES)
    assert order.index("clip") < order.index("segment") < order.index("validate")
    assert [stage for stage in order if stage not in ("clip", "segment", "photos")] == list(STAGE_NAMES[3:])


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_what_a_stage_depends_on_is_there(
    stage: str, dvc_yaml: dict[str, Any], params: dict[str, Any], project_root: Path
) -> None:
    declared = dvc_yaml["stages"][stage]
    made = {
        path
        for other in dvc_yaml["stages"].values()
        for entry in (*other.get("outs", ()), *other.get("metrics", ()))
        for path in (entry if isinstance(entry, dict) else [entry])
    }
    for dep in declared["deps"]:
        path = dep
        for section, name in (("model", "base"), ("model", "champion"), ("validate", "transfers")):
            path = path.replace(f"${{{section}.{name}}}", params[section][name])
        is_made = any(path == out or out.startswith(f"{path}/") for out in made)
        assert path == "data" or is_made or (project_root / path).exists(), f"{stage}: {path}"
    for key in declared.get("params", ()):
        value: Any = params
        for part in key.split("."):
            assert part in value, f"{stage}: {key} is not in params.yaml: DVC refuses to run"
            value = value[part]


def test_a_train_stage_sees_every_training_param(dvc_yaml: dict[str, Any]) -> None:
    """All but the other stage's and what does not change the result; a new one must be listed, or it is not seen."""
    # Stage 2 starts from stage 1, whatever that started from.
    for name, others in (("stage1", {"stage2", "wandb"}), ("stage2", {"stage1", "start", "wandb"})):
        listed = {key for key in dvc_yaml["stages"][f"train_{name}"]["params"] if key.startswith("train.")}
        assert listed == {f"train.{field}" for field in TrainParams.model_fields if field not in others}


def test_every_section_is_read_by_some_stage(dvc_yaml: dict[str, Any]) -> None:
    read = {key.split(".")[0] for stage in dvc_yaml["stages"].values() for key in stage.get("params", ())}

    assert read == {field.alias or name for name, field in Params.model_fields.items()} - {
        "crawl",
        "promote",
    }  # read by flows


def test_a_change_of_learning_rate_leaves_the_data_stages_alone(dvc_yaml: dict[str, Any]) -> None:
    readers = {
        name
        for name, stage in dvc_yaml["stages"].items()
        for key in stage.get("params", ())
        if key == "train.stage1.lr" or "train.stage1.lr".startswith(f"{key}.")
    }

    assert readers == {"train_stage1", "decide", "report"}


def test_plots_can_be_drawn(checkout: Path) -> None:
    for stage in ("train_stage1", "train_stage2"):
        folder = checkout / "outs" / stage
        folder.mkdir(parents=True)
        _write(folder / "loss.csv", ("step", "loss", "loss_region"), [(1, 0.9, 1.1), (2, 0.5, 0.7)])
        _write(folder / "validation.csv", ("step", "sigma", "loss"), [(1, 0.1, 0.9), (1, 0.9, 1.1)])
    (checkout / "outs" / "evaluate").mkdir()
    rows = [("train", "psnr", 20.5, 20.0, 21.0), ("test", "psnr", 18.5, 17.0, 19.0), ("test", "fvd", 300.0, "", "")]
    _write(checkout / "outs" / "evaluate" / "metrics.csv", ("split", "metric", "value", "low", "high"), rows)

    dvc(checkout, "plots", "show")

    page = (checkout / "dvc_plots" / "index.html").read_text()
    assert "DVC_METRIC" not in page  # every anchor of the templates is filled in
    for title in ("training loss, stage 1", "validation loss at fixed noise levels, stage 2", "metrics by split"):
        assert title in page
    assert '"low": "17.0"' in page or '"low": 17.0' in page


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_metrics_are_in_git_and_can_be_compared(dvc_yaml: dict[str, Any], checkout: Path) -> None:
    for stage in dvc_yaml["stages"].values():
        for metrics in stage.get("metrics", ()):
            assert [options["cache"] for options in metrics.values()] == [False]
    (checkout / "metrics").mkdir(exist_ok=True)
    value = {"value": 18.5, "low": 17.0, "high": 19.0, "n": 8, "status": "measured"}
    (checkout / "metrics" / "evaluate.json").write_text(json.dumps({"test": {"psnr": value}}))

    shown = json.loads(dvc(checkout, "metrics", "show", "metrics/evaluate.json", "--json"))

    assert shown[""]["data"]["metrics/evaluate.json"]["data"]["test"]["psnr"]["value"] == 18.5
