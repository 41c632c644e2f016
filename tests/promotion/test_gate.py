"""The promotion gate: what keeps it shut, and who may open it."""

from __future__ import annotations

import pytest

from pvtt.errors import GateShutError
from pvtt.promotion.gate import find_objections, require_another_person, require_open
from pvtt.records.promotion import Account
from tests.promotion.records import ADA, EVIDENCE, SAM


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
