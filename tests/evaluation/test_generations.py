"""Several generations of each sample, from other noise each."""

from __future__ import annotations

import json
import shutil

import pytest

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.evaluation.generations import averaged
from pvtt.evaluation.metrics.metric import Values
from pvtt.evaluation.metrics.vbench import SAYS, name_of
from pvtt.evaluation.vbench import SUBJECTS
from pvtt.files.workspace import Workspace
from pvtt.records.evaluation import EvaluatedSample, read_evaluated, read_metrics, read_run
from pvtt.stages import evaluate
from tests.evaluated import EvaluatedProject


@pytest.fixture(scope="module")
def twice(evaluated_project: EvaluatedProject, tmp_path_factory: pytest.TempPathFactory) -> EvaluatedProject:
    """The same evaluation with two generations a sample."""
    root = tmp_path_factory.mktemp("twice") / "project"
    shutil.copytree(evaluated_project.workspace.root, root)
    params = evaluated_project.params
    params = params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"seeds": 2})})
    evaluate.run(Workspace(root), params, InlineDispatcher())
    return EvaluatedProject(Workspace(root), params)


def samples_of(project: EvaluatedProject) -> dict[tuple[str, str], EvaluatedSample]:
    return {(one.part, one.key): one for one in read_evaluated(project.workspace.out("evaluate"))}


def by_generation(sample: EvaluatedSample) -> Values:
    """A sample's figures but VBench's, which is no part of a generation's measurement and not named here."""
    of_vbench = {f"{name_of(dimension)}{suffix}" for dimension in SAYS for suffix in SUBJECTS.values()}
    assert {sample.metrics[name] for name in of_vbench} == {None}
    return {name: value for name, value in sample.metrics.items() if name not in of_vbench}


def test_the_first_generation_is_the_only_one_of_a_run_with_one_seed(
    evaluated_project: EvaluatedProject, twice: EvaluatedProject
) -> None:
    once = samples_of(evaluated_project)
    for place, sample in samples_of(twice).items():
        first, second = sample.generations
        assert first == pytest.approx(by_generation(once[place]), nan_ok=True)
        assert once[place].generations == ()
        assert by_generation(sample) == averaged(sample.generations)
        assert first["product_psnr"] != second["product_psnr"]  # other noise
        for without_noise in ("mean_fill", "inpaint", "paste", "ceiling"):
            assert first[f"product_psnr_{without_noise}"] == second[f"product_psnr_{without_noise}"]
    runs = [read_run(one.workspace.out("evaluate") / "run.json") for one in (evaluated_project, twice)]
    assert runs[0].run_id == runs[1].run_id  # the videos that people rate are the same
    assert [run.fingerprint.protocol["seeds"] for run in runs] == [1, 2]


def test_seeds_noise_stands_beside_what_varies(evaluated_project: EvaluatedProject, twice: EvaluatedProject) -> None:
    metrics = read_metrics(twice.workspace.metrics / "evaluate.json")
    model, pasted = metrics.test["product_psnr"], metrics.test["product_psnr_paste"]
    assert model.seed_noise is not None
    assert model.seed_noise > 0
    assert pasted.seed_noise == 0
    assert (model.n, pasted.n) == (4, 4)
    assert metrics.test["identity_top1_ground_truth"].value == 1
    alone = json.loads((evaluated_project.workspace.metrics / "evaluate.json").read_text())
    assert "seed_noise" not in alone["test"]["product_psnr"]
