"""Every recommended experiment in DVC's own hands: with its overrides the pipeline resolves, and is stale by them."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from pvtt.decision.decide import decide
from pvtt.params.file import Params, load_params
from pvtt.stages.all import STAGE_NAMES
from tests.decision.measurements import metric, with_changes
from tests.decision.test_next_steps import CASES, overridden


def experiments(params: Params) -> list[str]:
    """All that the matrix recommends for these params, each once."""
    steps = [step for changes in CASES for step in decide(with_changes(**changes), params, "0" * 12).next_steps]
    return list(dict.fromkeys(step.command for step in steps if step.command.startswith("dvc exp run")))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    """The project's own pipeline and params, and nothing else."""
    from dvc.repo import Repo

    root = tmp_path_factory.mktemp("pipeline")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(project_root / name, root)
    Repo.init(str(root), no_scm=True)
    return root


def test_every_experiment_is_a_pipeline_some_stage_of_which_reads_what_was_changed(
    pipeline: Path, project_root: Path, tmp_path: Path
) -> None:
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    commands = experiments(load_params(project_root / "params.yaml"))
    assert len(commands) >= 10
    for command in commands:
        overridden(command, project_root / "params.yaml", tmp_path)
        shutil.copy(tmp_path / "params.yaml", pipeline)
        graph = Repo(str(pipeline)).index.graph
        stages = {str(stage.name): stage for stage in graph.nodes}
        assert set(stages) == set(STAGE_NAMES)
        read = {
            key
            for stage in stages.values()
            for dependency in stage.deps
            if isinstance(dependency, ParamsDependency)
            for key in dependency.params
        }
        for override in shlex.split(command)[4::2]:
            key = override.removeprefix("++").partition("=")[0]
            assert any(key == one or key.startswith(f"{one}.") for one in read), command


@pytest.mark.parametrize("start", ["base", "champion"])
def test_a_larger_adapter_starts_from_the_base_where_the_champion_has_a_smaller_one(
    start: str, project_root: Path
) -> None:
    params = load_params(project_root / "params.yaml")
    conditioning = (*params.model.conditioning, "product_tokens")
    params = params.model_copy(
        update={
            "model": params.model.model_copy(update={"conditioning": conditioning}),
            "train": params.train.model_copy(update={"start": start}),
        }
    )
    steps = decide(with_changes(train_psnr=metric(20.0)), params, "0" * 12).next_steps
    (larger,) = [step.command for step in steps if "num_product_tokens" in step.command]
    assert ("train.start=base" in larger) is (start == "champion")
