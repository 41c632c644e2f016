"""Every recommended experiment runs to its end: a small project under Git and DVC, whose stages are the real ones."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pvtt.files.workspace import Workspace
from pvtt.params.file import parse_params
from pvtt.records.decision import read_decision
from pvtt.stages.all import STAGES
from tests.ablation.projects import build_project, small_values
from tests.decision.test_graph import experiments
from tests.decision.test_next_steps import overridden
from tests.run_dvc import run_dvc

ROOT = Path(__file__).resolve().parents[2]
RUN = ("encode", "train_stage1", "train_stage2", "evaluate", "decide")
EVALUATE_AGAIN = "dvc repro --force --single-item evaluate"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five drawn products, a random base and a CLIP where the matrix asks for one; the stages have run once."""
    from tests.small_networks import save_clip

    root = tmp_path_factory.mktemp("project")
    build_project(root)
    with (root / "params.yaml").open("w", encoding="utf-8") as file:  # as people write it
        YAML().dump(small_values(), file)
    for stage in ("clip", "segment", "photos"):
        (root / "outs" / stage).mkdir(parents=True, exist_ok=True)
    shutil.copytree(save_clip(tmp_path_factory.mktemp("clip")), root / "models" / "clip")
    (root / ".gitignore").write_text("/outs/\n/models/\n/.pvtt/\n")
    write_pipeline(root)
    identity = [("user.name", "A Person"), ("user.email", "person@example.com"), ("commit.gpgSign", "false")]
    for command in (["init", "-q", "-b", "main"], *(["config", *pair] for pair in identity)):
        subprocess.run(["git", *command], cwd=root, check=True)
    run_dvc(root, "init", "--quiet")
    for key in ("core.analytics", "core.check_update", "core.autostage"):
        run_dvc(root, "config", key, "false")
    commit(root, "A project")
    run_dvc(root, "repro", "--quiet")
    commit(root, "A run")
    return root


def write_pipeline(root: Path) -> None:
    """The stages that an experiment changes, as in the project's own pipeline, by this interpreter."""
    stages = {}
    for stage in STAGES:
        if stage.name in RUN:
            deps = [name for name in stage.reads if name.startswith("${model.base}") or (root / name).exists()]
            made = [name for name in stage.reads if any(name.startswith(f"outs/{other}") for other in RUN)]
            stages[stage.name] = {
                "cmd": f"{sys.executable} -m pvtt.cli {stage.name}",
                "deps": list(dict.fromkeys([*deps, *made])),
                "params": list(stage.params),
                "outs": list(stage.writes),
                "metrics": [{name: {"cache": False}} for name in stage.metrics],
            }
    with (root / "dvc.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"stages": stages}, file)


def commit(root: Path, message: str) -> None:
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    subprocess.run(["git", "commit", "-q", "-m", message], cwd=root, check=True)


@pytest.mark.proof  # test_graph.py has DVC resolve the same pipelines
@pytest.mark.parametrize("command", [*experiments(parse_params(small_values())), EVALUATE_AGAIN])
def test_it_runs_to_its_end(command: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    subprocess.run(["git", "checkout", "-q", "--", "."], cwd=project, check=True)
    asked = project / "params.yaml"
    if command != EVALUATE_AGAIN:
        overridden(command, project / "params.yaml", tmp_path)
        asked = tmp_path / "params.yaml"
    wanted = json.loads(json.dumps(YAML(typ="safe").load(asked.read_text())))

    run_dvc(project, *shlex.split(command)[1:])

    assert YAML(typ="safe").load((project / "params.yaml").read_text()) == wanted
    assert read_decision(Workspace(project).metrics / "decision.json").criteria
