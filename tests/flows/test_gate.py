"""The gate's questions one by one, on a real project: each is asked where no other would keep it shut."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flows.promote import SLURM_PROFILE, settle
from pvtt.dispatch.profile import load_profile
from pvtt.errors import GateShutError
from pvtt.evaluation.evaluate import EvaluateJob
from pvtt.evaluation.samples import choose
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.promotion.audit import audit, check_samples
from pvtt.promotion.gate import find_objections, read_candidate
from pvtt.promotion.ledger import read_promotions
from pvtt.promotion.mapping import promoted_params
from pvtt.promotion.plan import plan_on
from pvtt.promotion.remeasure import remeasure
from pvtt.records.evaluation import EvaluatedSample, read_evaluated, read_metrics, read_run
from pvtt.records.promotion import Account
from pvtt.stages.all import PROFILE_PARTS
from tests.flows.gated import SUBMITTER, Gated
from tests.promotion.records import ADA, sign_off
from tests.promotion.successful import AUDITED

Samples = list[EvaluatedSample]
DRAW = "5eed" * 8
SUBMITTED_BY = Account(login="", name=SUBMITTER[0], email=SUBMITTER[1])


@pytest.fixture
def project(gated_project: Gated, tmp_path: Path) -> Gated:
    """A copy, to be changed."""
    shutil.copytree(gated_project.root, tmp_path / "project", symlinks=True)
    return Gated(Workspace(tmp_path / "project"))


def rewrite(path: Path, text: str) -> None:
    """Other contents under the same times; the file may be a link into DVC's cache."""
    before = path.stat()
    path.unlink()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_answer_is_recorded_of_another_person_about_the_run_that_they_were_shown(project: Gated) -> None:
    workspace, params = project.workspace, project.params
    candidate = read_candidate(workspace, ())
    evidence = candidate.evidence
    assert find_objections(evidence) == []
    assert (evidence.commit, evidence.uncommitted) == (project.git("rev-parse", "HEAD"), ())
    assert evidence.metrics_sha256 == sha256_tree(workspace.metrics)
    assert evidence.submitters == (SUBMITTED_BY,)
    assert len(evidence.audited) == AUDITED

    plan = plan_on(load_profile(project.root / SLURM_PROFILE, PROFILE_PARTS), promoted_params(params))
    asker = Account(login="kim@host", name="Kim", email="kim@example.org")
    approval = sign_off("Ada", account=ADA, draw=DRAW)
    changes: list[dict[str, object]] = [
        {"account": SUBMITTED_BY},
        {"account": asker},
        {"account": None},
        {"draw": None},
    ]
    for change in changes:
        with pytest.raises(GateShutError, match=r"would approve what|is not known|draws no samples"):
            settle(workspace, approval.model_copy(update=change), candidate, asker, plan, SLURM_PROFILE)
    shown = type(candidate)(candidate.run, candidate.samples, evidence.model_copy(update={"commit": "another"}))
    with pytest.raises(GateShutError, match="the results changed while the gate waited"):
        settle(workspace, approval, shown, asker, plan, SLURM_PROFILE)
    assert read_promotions(project.root) == []

    recorded = settle(workspace, approval, candidate, asker, plan, SLURM_PROFILE)
    assert read_promotions(project.root) == [recorded]
    assert recorded.evidence.audited[:AUDITED] == evidence.audited
    assert len(set(recorded.evidence.audited)) == 2 * AUDITED
    faults = read_candidate(workspace, ()).evidence.comparison.faults
    assert faults == ("the evaluated model is the champion itself, of promotion 1",)


def test_other_data_than_were_evaluated_shut_the_gate_even_if_nothing_seems_stale(project: Gated) -> None:
    (project.root / "data" / "products" / "new.txt").write_text("a tenth disc")
    project.dvc("add", "--quiet", "data")
    project.commit()
    objections = find_objections(read_candidate(project.workspace, ()).evidence)
    assert [one.split(" is version")[0] for one in objections] == ["data.dvc"]


def test_files_that_are_read_are_those_that_were_recorded_and_the_table_that_of_the_figures(project: Gated) -> None:
    workspace = project.workspace
    loss = workspace.out("train_stage1") / "loss.csv"
    rewrite(loss, loss.read_text().replace("0.001", "0.002", 1))
    table = workspace.out("evaluate") / "metrics.csv"
    rewrite(table, table.read_text().replace("psnr", "psnr ", 1))
    rewrite(workspace.metrics / "evaluate.json", (workspace.metrics / "evaluate.json").read_text() + "\n")

    found = audit(workspace, project.params)

    assert [one.split(" is ")[0] for one in found] == [
        "metrics/evaluate.json: its hash",
        "outs/evaluate/metrics.csv: its hash",
        "outs/train_stage1/loss.csv: its hash",
        "outs/evaluate/metrics.csv: its figures are not those of metrics/evaluate.json",
    ]


def without_films(samples: Samples) -> Samples:
    return [one.model_copy(update={"videos": {}}) for one in samples]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda samples: samples[1:], "is missing, though it was to be evaluated"),
        (lambda samples: [*samples, samples[0].model_copy(update={"clip_id": "009"})], "009 was not to be evaluated"),
        (lambda samples: [*samples, samples[0]], "1 samples stand there twice"),
        (without_films, "its videos were to be kept, and are not"),
        (lambda samples: [samples[0].model_copy(update={"category": "ring"}), *samples[1:]], "category is ring"),
    ],
)
def test_the_samples_are_those_that_were_to_be_evaluated(
    change: Callable[[Samples], Samples], says: str, gated_project: Gated
) -> None:
    workspace, params = gated_project.workspace, gated_project.params
    job = EvaluateJob(workspace, read_run(workspace.out("evaluate") / "run.json").model, params)
    samples, chosen = read_evaluated(workspace.out("evaluate")), choose(workspace, params)
    found = list(check_samples(job, change(samples), chosen, read_metrics(workspace.metrics / "evaluate.json")))
    assert found
    assert all(says in one for one in found)


def exchange(project: Gated, names: Sequence[str]) -> None:
    """Put the films with other photos in the place of these."""
    for swapped in project.workspace.out("evaluate").glob("videos/*/*/swapped.mp4"):
        for name in names:
            swapped.with_name(name).unlink()
            shutil.copy(swapped, swapped.with_name(name))


def test_a_true_film_that_is_not_its_clip_is_found_before_anything_is_held_against_it(project: Gated) -> None:
    exchange(project, ["ground_truth.mp4", "generated.mp4"])
    workspace, params = project.workspace, project.params
    samples, chosen = read_evaluated(workspace.out("evaluate")), choose(workspace, params)
    found = remeasure(workspace, params, samples, chosen, (), "a draw")
    assert len(found.faults) == AUDITED
    assert all("the kept ground truth is not its clip" in fault for fault in found.faults)


def test_what_the_untrained_base_reached_is_measured_again_on_transfers(gated_project: Gated) -> None:
    workspace, params = gated_project.workspace, gated_project.params
    samples, chosen = read_evaluated(workspace.out("evaluate")), choose(workspace, params)
    assert {one.part for one in samples if "untrained" in one.videos} == {"transfer"}
    low = [one.model_copy(update={"metrics": {**one.metrics, "product_psnr_untrained": 3.0}}) for one in samples]
    found = remeasure(workspace, params, low, chosen, (), "a draw")
    (fault,) = found.faults  # one of two is a transfer
    assert "product_psnr_untrained is 3, the kept untrained.mp4 gives" in fault


@pytest.mark.proof  # the first test above has both draws
def test_who_spares_the_samples_of_the_first_draw_is_found_by_the_word_of_whoever_approves(project: Gated) -> None:
    workspace = project.workspace
    first = read_candidate(workspace, ()).evidence.audited

    def raised(sample: EvaluatedSample) -> EvaluatedSample:
        spared = f"{sample.part} {sample.key}" in first
        return sample if spared else sample.model_copy(update={"metrics": {**sample.metrics, "psnr": 48.5}})

    project.edit_samples(lambda samples: [raised(sample) for sample in samples])
    project.summarise()
    project.commit("evaluate", "decide")
    project.git("commit", "--quiet", "--amend", "--message", "Another commit")
    evidence = read_candidate(workspace, ()).evidence
    assert evidence.audited == first  # whatever the commit
    assert find_objections(evidence) == []
    (objection,) = find_objections(read_candidate(workspace, (), DRAW, evidence.audited).evidence)
    assert "psnr is 48.5, the kept generated.mp4 gives" in objection
