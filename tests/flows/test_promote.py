"""The promotion flow: gate, plan, a person's answer through a Prefect pause, the record, and the way back."""

from __future__ import annotations

import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flows.notify import VARIABLE
from flows.promote import answer, main
from pvtt.errors import GateShutError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from pvtt.promotion.ledger import in_force, read_promotions, read_samples
from pvtt.promotion.mapping import write_promoted_params
from pvtt.records.promotion import Promotion
from tests.flows.gated import APPROVER, SUBMITTER, Gated
from tests.flows.receiver import receiver
from tests.flows.tampering import wait_for
from tests.promotion.successful import AUDITED, evaluate_and_decide

pytestmark = pytest.mark.timeout(1800)  # a flow in processes of its own, which computes all figures twice


@dataclass(frozen=True)
class Approved:
    """A project whose run another person has approved; copy it before changing it.

    Args:
        project: It.
        evaluated_commit: The commit before the promotion.
        shown: What the flow printed.
        told: What a webhook was sent meanwhile.
    """

    project: Gated
    evaluated_commit: str
    shown: str
    told: list[dict[str, Any]]


@pytest.fixture(scope="module")
def approved(gated_project: Gated, tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Approved:
    project = copy_of(gated_project, tmp_path_factory.mktemp("approved") / "project")
    evaluated_commit = project.git("rev-parse", "HEAD")
    with receiver() as (webhook, told), pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, webhook)
        code, shown = wait_for(project, ("ada", *APPROVER))
    assert code == 0, shown
    return Approved(project, evaluated_commit, shown, told)


@pytest.fixture
def project(approved: Approved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gated:
    """A copy of the approved one, and this process in it."""
    project = copy_of(approved.project, tmp_path / "project")
    monkeypatch.chdir(project.root)
    return project


def copy_of(project: Gated, root: Path) -> Gated:
    shutil.copytree(project.root, root, symlinks=True)
    return Gated(Workspace(root))


def test_another_person_approves_and_the_run_becomes_the_champion(project: Gated, approved: Approved) -> None:
    shown = approved.shown
    assert "verdict: success" in shown
    assert "no earlier promotion is in force: there is no champion to beat" in shown
    assert "14.3 B parameters" in shown
    assert "published is 3.21 → 3.34 of 5" in shown
    assert f"approved by {APPROVER[0]}: the videos convince me (promotions/promotions.jsonl, number 1)" in shown
    assert "The record is unsigned" in shown
    assert "pvtt params --promoted && " in shown
    (record,) = read_promotions(project.root)
    assert isinstance(record, Promotion)
    (told,) = approved.told
    assert (told["event"], told["flow"]) == ("approval", "promote")
    assert told["flow_run"] in shown
    assert record.sign_off.account is not None
    assert (record.sign_off.account.email, record.evidence.submitters[0].email) == (APPROVER[1], SUBMITTER[1])
    assert record.evidence.commit == approved.evaluated_commit
    assert record.sign_off.draw is not None
    assert len(set(record.evidence.audited)) == 2 * AUDITED  # before and after the answer
    again = {"psnr", "product_psnr", "clip_i", "relative_flow_warp_error", "product_psnr_paste", "product_psnr_swapped"}
    again |= {"product_psnr_untrained"}
    assert again <= set(record.evidence.measured_again)
    assert {"all of blank", "outside_motion_error"} <= set(record.evidence.not_measured_again)
    assert "not measured again (nothing is kept of it, or an encoder changes it too much): " in shown
    assert record.evidence.data_version in (project.root / "data.dvc").read_text()
    assert len(read_samples(project.root, record)) == 13
    assert project.git("log", "-1", "--format=%s") == f"Promotion of run {record.run.run_id}: approved by Ada Approver"
    assert project.git("status", "--porcelain") == ""

    _the_next_run_is_held_against_it(project)
    _rolled_back_it_is_none(project, record)


def _the_next_run_is_held_against_it(project: Gated) -> None:
    shut = CliRunner().invoke(main, ["check"])
    assert shut.exit_code == 9
    assert "the evaluated model is the champion itself, of promotion 1" in shut.output


def _rolled_back_it_is_none(project: Gated, record: Promotion) -> None:
    """And its params, while it is in force, become those of the 14B run."""
    before = load_params(project.workspace.params_file)
    promoted = write_promoted_params(project.workspace)
    assert (promoted.profile, promoted.train.stage1.steps) == ("prod", 2 * before.train.stage1.steps)
    with pytest.raises(GateShutError, match=r"params\.yaml is not that of run"):
        write_promoted_params(project.workspace)  # a second time
    project.git("checkout", "-q", "--", "params.yaml")

    shown = CliRunner().invoke(main, ["rollback", "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "# a line in promotions/promotions.jsonl: promotion 1 is rolled back" in shown.output
    assert read_promotions(project.root) == [record]

    back = CliRunner().invoke(main, ["rollback", "--person", "Grace", "--reason", "the videos of rings are wrong"])

    assert back.exit_code == 0, back.output
    assert "Promotion 1 is rolled back (promotions/promotions.jsonl, number 2)" in back.output
    assert "No promotion is in force." in back.output
    entries = read_promotions(project.root)
    assert entries[0] == record  # nothing is deleted
    assert in_force(entries) is None
    assert project.git("log", "-1", "--format=%s") == "Promotion 1 rolled back by Grace"
    with pytest.raises(GateShutError, match="no promotion is in force"):
        write_promoted_params(project.workspace)
    assert CliRunner().invoke(main, ["rollback", "--person", "Grace", "--reason", "again"]).exit_code == 9


def test_an_answer_needs_a_reason_and_a_promotion_that_waits(project: Gated) -> None:
    with pytest.raises(PvttError, match="reason is empty"):
        answer(uuid.uuid4(), "approved", "Ada Lovelace", "")
    with pytest.raises(PvttError, match="doesn't wait for an answer"):
        answer(uuid.uuid4(), "approved", "Ada Lovelace", "the videos convince me")


def train_anew(project: Gated, brighter: float) -> str:
    """Another model, whose film is so many levels off, evaluated and committed; what the gate says."""
    config = project.workspace.out("train_stage2") / "model" / "scheduler" / "scheduler_config.json"
    text = config.read_text().rstrip().rstrip("}").rstrip()
    config.unlink()
    config.write_text(f'{text}, "trained": {brighter}}}')
    shutil.rmtree(project.workspace.out("evaluate"))
    evaluate_and_decide(project.workspace, project.params, brighter)
    project.commit("train_stage2", "evaluate", "decide")
    return CliRunner().invoke(main, ["check"]).output


@pytest.mark.proof  # promotion/test_champion.py has the figures that are refused
def test_a_run_that_is_no_better_than_the_champion_is_refused(project: Gated) -> None:
    worse = train_anew(project, 12.0)
    assert re.search(r"its lead over the champion is no step forward: test -[56][. ]", worse), worse
    assert re.search(r"it falls behind the champion on disc of test by [56][.\d]* dB, more than promote.margin", worse)


def test_a_better_run_than_the_champion_is_let_through_and_the_champion_comes_back(project: Gated) -> None:
    champion = project.git("rev-parse", "HEAD")
    better = train_anew(project, 3.0)
    assert "against the champion, promotion 1 (the champion's figures are those of its promotion" in better
    assert re.search(r"product_psnr: test \+[56][.\d]* \[", better), better
    assert "The gate would open to another person's approval" in better

    project.dvc("get", ".", "outs/train_stage2/model", "--rev", champion, "-o", "models/champion")
    scheduler = project.root / "models" / "champion" / "scheduler" / "scheduler_config.json"
    assert '"trained":' not in scheduler.read_text()  # the champion's own model comes back
