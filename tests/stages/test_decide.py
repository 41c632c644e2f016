"""decide on an evaluated workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.ratings.store import RatingStore
from pvtt.records.base import read_jsonl
from pvtt.records.decision import read_decision
from pvtt.records.evaluation import EvaluatedSample, read_metrics, read_run, write_metrics
from pvtt.records.ratings import Rating
from pvtt.stages import decide
from tests.evaluated import EvaluatedProject


@pytest.fixture
def workspace(evaluated_project: EvaluatedProject, tmp_path: Path) -> Workspace:
    shutil.copytree(evaluated_project.workspace.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


@pytest.fixture
def params(evaluated_project: EvaluatedProject) -> Params:
    return evaluated_project.params


def test_a_random_model_does_not_reproduce_its_training_set(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    decide.run(workspace, params, InlineDispatcher())
    decision = read_decision(workspace.metrics / "decision.json")
    assert decision.verdict == "capacity"  # although nobody has rated anything
    assert decision.run_id == read_run(workspace.out("evaluate") / "run.json").run_id
    status = {criterion.name: criterion.status for criterion in decision.criteria}
    assert status["loss"] == "pass"
    assert status["psnr"] == "fail"
    assert status["clip_i"] == status["rating"] == "not_measured"
    shown = capsys.readouterr().out
    assert shown.startswith("verdict: capacity")
    assert "On test, paste beats the model: product PSNR" in shown
    assert decision.run_id == read_metrics(workspace.metrics / "evaluate.json").run_id


def test_metrics_of_another_run_than_the_videos_are_refused(workspace: Workspace, params: Params) -> None:
    path = workspace.metrics / "evaluate.json"
    write_metrics(path, read_metrics(path).model_copy(update={"run_id": "0" * 12}))
    with pytest.raises(PvttError, match="000000000000"):
        decide.run(workspace, params, InlineDispatcher())


def test_ratings_of_this_run_count_and_agreement_is_reported(workspace: Workspace, params: Params) -> None:
    out = workspace.out("evaluate")
    run_id = read_run(out / "run.json").run_id
    store = RatingStore(workspace.ratings / f"{run_id}.jsonl")
    for sample in read_jsonl(out / "evaluated.jsonl", EvaluatedSample):
        if sample.split == "test" and sample.to_rate:
            for rater, score in (("ann", 4), ("bob", 5)):
                store.append(
                    Rating(
                        run_id=run_id,
                        rater=rater,
                        product_id=sample.product_id,
                        clip_id=sample.clip_id,
                        score=score,
                        rated_at="2026-01-01T00:00:00+00:00",
                    )
                )
    decide.run(workspace, params, InlineDispatcher())
    decision = read_decision(workspace.metrics / "decision.json")
    (rating,) = [criterion for criterion in decision.criteria if criterion.name == "rating"]
    assert (rating.value, rating.status) == (4.5, "pass")
    assert decision.ratings is not None
    assert decision.ratings.num_raters == 2
    assert decision.ratings.agreement is not None


def test_a_diverged_run_is_seen(workspace: Workspace, params: Params) -> None:
    path = workspace.out("train_stage2") / "loss.csv"
    path.write_text(path.read_text() + "61,nan,nan,0.001,nan\n")
    decide.run(workspace, params, InlineDispatcher())
    assert read_decision(workspace.metrics / "decision.json").verdict == "diverged"


def test_missing_and_damaged_inputs(workspace: Workspace, params: Params) -> None:
    path = workspace.out("train_stage1") / "loss.csv"
    path.write_text("step,loss\n1,much\n")
    with pytest.raises(PvttError, match=r"loss\.csv: needs numbers in the columns loss"):
        decide.run(workspace, params, InlineDispatcher())
    path.unlink()
    with pytest.raises(MissingInputError) as error:
        decide.run(workspace, params, InlineDispatcher())
    assert "train_stage1" in (error.value.hint or "")
