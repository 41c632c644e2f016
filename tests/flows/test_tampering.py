"""Each attempt to promote what should not be, made on a real project, and the page that lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.evaluation.evaluate import EvaluateJob
from pvtt.evaluation.metrics.vbench import SAYS, name_of
from pvtt.evaluation.samples import choose
from pvtt.promotion.audit import check_samples
from pvtt.promotion.remeasure import draw
from pvtt.records.evaluation import EvaluatedSample, read_evaluated, read_metrics, read_run
from tests.flows.gated import Gated
from tests.flows.tampering import ATTEMPTS, HEADER, PAGE, Attempt, make


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.says)
def test_what_came_of_an_attempt_stands_on_the_page(
    attempt: Attempt, gated_project: Gated, prefect_api: str, tmp_path: Path
) -> None:
    row = make(attempt, gated_project.root, tmp_path)

    assert row.stopped_by == attempt.stopped_by
    assert str(row) in PAGE.read_text().splitlines(), "run `python -m tests.flows.tampering`"


def test_the_page_lists_every_attempt_and_no_other() -> None:
    text = PAGE.read_text()
    assert text.startswith(HEADER)
    rows = text.removeprefix(HEADER).splitlines()
    assert [row.split(" | ")[0] for row in rows] == [f"| {attempt.says}" for attempt in ATTEMPTS]


def test_which_samples_are_measured_again_nobody_knows_beforehand(gated_project: Gated) -> None:
    workspace, params = gated_project.workspace, gated_project.params
    samples, chosen = read_evaluated(workspace.out("evaluate")), choose(workspace, params)
    draws = [[sample for sample, _ in draw(samples, chosen, 7, f"word {number}")] for number in range(200)]
    assert draws[0] == [sample for sample, _ in draw(samples, chosen, 7, "word 0")]
    assert len({tuple(sample.key for sample in drawn) for drawn in draws}) > 100
    kept = {f"{sample.part} {sample.key}" for sample in samples if sample.videos}
    assert {f"{sample.part} {sample.key}" for drawn in draws for sample in drawn} == kept
    for drawn in draws:
        assert [sample.part for sample in drawn] == ["transfer", "test", "train", "val", "transfer", "test", "train"]
    few = sorted(kept)[:3]
    others = draw(samples, chosen, 100, "word 0", kept - set(few))
    assert sorted(f"{sample.part} {sample.key}" for sample, _ in others) == few


def test_of_several_generations_each_has_its_figures_and_the_saved_film_those_of_vbench(gated_project: Gated) -> None:
    workspace, params = gated_project.workspace, gated_project.params
    job = EvaluateJob(workspace, read_run(workspace.out("evaluate") / "run.json").model, params)
    metrics = read_metrics(workspace.metrics / "evaluate.json")
    samples, chosen = read_evaluated(workspace.out("evaluate")), choose(workspace, params)
    of_vbench = {name_of(dimension): 0.9 for dimension in SAYS}

    def generated_twice(sample: EvaluatedSample, psnr: float) -> EvaluatedSample:
        own = {name: value for name, value in sample.metrics.items() if not name.startswith("vbench")}
        return sample.model_copy(update={"generations": (own, own), "metrics": own | {"psnr": psnr} | of_vbench})

    honest = [generated_twice(sample, sample.metrics["psnr"] or 0.0) for sample in samples]
    assert list(check_samples(job, honest, chosen, metrics)) == []
    (fault, *_) = check_samples(job, [generated_twice(one, 48.5) for one in samples], chosen, metrics)
    assert "metrics.psnr is 48.5, computed again:" in fault
