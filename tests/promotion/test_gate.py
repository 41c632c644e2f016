"""The promotion gate: what keeps it shut, and who may open it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pvtt.decision.decide import decide
from pvtt.errors import GateShutError
from pvtt.files.workspace import Workspace
from pvtt.promotion.audit import differences
from pvtt.promotion.gate import (
    find_objections,
    require_another_person,
    require_open,
    seed_of_draw,
    submitters,
    unmeasured,
)
from pvtt.promotion.plan import require_fit
from pvtt.records.promotion import Account
from tests.decision.measurements import default_params, with_changes
from tests.promotion.records import ADA, EVIDENCE, PLAN, RUN, SAM


def test_the_gate_opens_on_success_of_what_is_committed() -> None:
    require_open(EVIDENCE)


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"verdict": "incomplete"}, "the verdict is incomplete"),
        ({"profile": "tiny"}, "the run is of the profile tiny"),
        ({"evaluated_run_id": "ba9876543210"}, "evaluated is ba9876543210"),
        ({"stale": ("evaluate", "decide")}, "evaluate, decide are stale"),
        ({"data_version": "bbbb.dir"}, "data.dvc is version bbbb.dir"),
        ({"uncommitted": ("metrics/evaluate.json",)}, "not committed: metrics/evaluate.json"),
        ({"uncommitted": ("promotions/promotions.jsonl",)}, "not committed: promotions/promotions.jsonl"),
        ({"unmeasured": ("training CLIP-I is not measured",)}, "unmeasured: training CLIP-I is not measured"),
        (
            {"contradictions": ("metrics/evaluate.json: test.psnr.value is 29, the samples' own records give 19",)},
            "test.psnr.value is 29, the samples' own records give 19",
        ),
        (
            {"comparison": EVIDENCE.comparison.model_copy(update={"faults": ("it falls behind the champion",)})},
            "it falls behind the champion",
        ),
    ],
)
def test_the_gate_stays_shut(change: dict[str, object], objection: str) -> None:
    (found,) = find_objections(EVIDENCE.model_copy(update=change))

    assert objection in found


def test_every_objection_is_named_at_once() -> None:
    evidence = EVIDENCE.model_copy(update={"verdict": "overfit", "stale": ("report",)})

    with pytest.raises(GateShutError, match=r"overfit.*report are stale") as caught:
        require_open(evidence)
    assert caught.value.exit_code == 9


def test_of_many_contradictions_the_first_are_named_and_the_rest_counted() -> None:
    evidence = EVIDENCE.model_copy(update={"contradictions": tuple(f"figure {number} is wrong" for number in range(9))})

    (found,) = find_objections(evidence)

    assert found == "; ".join(f"figure {number} is wrong" for number in range(5)) + "; and 4 more"


def test_another_person_approves() -> None:
    require_another_person(ADA, (SAM,))


@pytest.mark.parametrize(
    ("approver", "same"),
    [
        (Account(login="sam@host", name="Sam B.", email="SAM@example.org"), "email"),
        (Account(login="sam@host", name=" sam", email="other@example.org"), "name"),
        (Account(login="asker@host", name="Other", email="other@example.org"), "login"),
    ],
)
def test_nobody_approves_what_they_submitted(approver: Account, same: str) -> None:
    asked_by = Account(login="asker@host", name="Asker", email="asker@example.org")
    with pytest.raises(GateShutError, match=f"the same {same}"):
        require_another_person(approver, (SAM, asked_by))


def test_an_approval_without_an_account_is_none() -> None:
    with pytest.raises(GateShutError, match="who approves is not known"):
        require_another_person(None, (SAM,))


def test_who_is_not_known_to_the_machine_is_not_the_same_as_another_who_is_not() -> None:
    require_another_person(ADA.model_copy(update={"login": ""}), (SAM,))


def test_whoever_committed_either_result_has_submitted_the_run(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "metrics").mkdir()
    for name, person in (("metrics/decision.json", "Sam"), ("dvc.lock", "Kim"), ("README.md", "Ada")):
        (tmp_path / name).write_text("{}")
        git("add", name)
        identity = ["-c", f"user.name={person}", "-c", f"user.email={person.lower()}@example.org"]
        git(*identity, "commit", "-q", "-m", name)
    assert [one.name for one in submitters(Workspace(tmp_path))] == ["Kim", "Sam"]


@pytest.mark.parametrize("lacks", ["nothing", "a criterion", "enough products", "ratings"])
def test_what_a_decision_lacks_is_named_whatever_its_verdict(lacks: str) -> None:
    decision = decide(with_changes(), default_params(), "0" * 12)
    assert decision.verdict == "success"
    first, *others = decision.criteria
    statuses = {"a criterion": "not_measured", "enough products": "too_few"}
    if lacks in statuses:
        less = first.model_copy(update={"status": statuses[lacks]})
        decision = decision.model_copy(update={"criteria": (less, *others)})
    if lacks == "ratings":
        assert decision.ratings is not None
        ratings = decision.ratings.model_copy(update={"status": "not_measured", "num_videos": 2})
        decision = decision.model_copy(update={"ratings": ratings})
    says = {
        "nothing": (),
        "a criterion": (f"{first.label} is not measured",),
        "enough products": (f"{first.label} is of too few samples",),
        "ratings": ("2 of 6 test videos have enough raters",),
    }
    assert unmeasured(decision) == says[lacks]


def test_another_commit_of_the_same_run_draws_no_other_films_and_another_word_does() -> None:
    drawn = seed_of_draw(EVIDENCE, "word")
    assert seed_of_draw(EVIDENCE.model_copy(update={"commit": "decaf"}), "word") == drawn
    assert seed_of_draw(EVIDENCE, "another") != drawn
    for change in ({"run_id": "ba9876543210"}, {"data_version": "bbbb.dir"}):
        assert seed_of_draw(EVIDENCE.model_copy(update=change), "word") != drawn


def test_a_plan_that_does_not_fit_shuts_the_gate() -> None:
    require_fit(PLAN, "here")
    with pytest.raises(GateShutError, match="the prod run doesn't fit here: stage1 takes 600 hours"):
        require_fit(PLAN.model_copy(update={"faults": ("stage1 takes 600 hours",)}), "here")


@pytest.mark.parametrize(
    ("change", "shows"),
    [
        ({"seed": 1}, True),
        ({"champion_sha256": "b" * 64}, True),
        ({"certified": ("all",)}, True),
        ({"fingerprint": RUN.fingerprint.model_copy(update={"protocol": {"seed": 1e-5}})}, True),
        ({"fingerprint": RUN.fingerprint.model_copy(update={"evaluator": "2"})}, True),
        ({"fingerprint": RUN.fingerprint.model_copy(update={"device": "cuda"})}, False),
    ],
)
def test_two_records_differ_in_what_is_not_the_machines(change: dict[str, object], shows: bool) -> None:
    found = differences(RUN, RUN.model_copy(update=change), "computed:", but=("fingerprint.device",))
    assert bool(found) is shows


@pytest.mark.parametrize(
    ("hours", "shows"), [(58.0, False), (58.0 + 1e-6, False), (58.001, True), (float("nan"), True)]
)
def test_a_figure_may_differ_by_another_machines_rounding_and_no_more(hours: float, shows: bool) -> None:
    found = differences(PLAN, PLAN.model_copy(update={"stage1_hours": hours}), "the plan gives")
    assert found == ([f"stage1_hours is 58, the plan gives {hours:.6g}"] if shows else [])
