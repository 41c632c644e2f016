"""Records of a promotion, for tests of what is done with them."""

from __future__ import annotations

from typing import Any

from pvtt.records.evaluation import EvaluationRun, Fingerprint
from pvtt.records.promotion import Account, Comparison, Evidence, Promotion, Rollback, SignOff, TrainingPlan

ADA = Account(login="ada@host", name="Ada", email="ada@example.org")
SAM = Account(login="", name="Sam", email="sam@example.org")
RUN = EvaluationRun(
    run_id="0123456789ab",
    model="outs/train_stage2/model",
    model_sha256="a" * 64,
    seed=0,
    fingerprint=Fingerprint(
        versions={"numpy": "2"},
        device="cpu",
        num_threads=1,
        dataset_sha256="1" * 64,
        base_sha256="2" * 64,
        protocol={"seed": 0},
        weights={},
        evaluator="1",
    ),
    certified=(),
)
EVIDENCE = Evidence(
    verdict="success",
    profile="poc",
    run_id="0123456789ab",
    evaluated_run_id="0123456789ab",
    commit="c0ffee",
    data_version="aaaa.dir",
    evaluated_data_version="aaaa.dir",
    metrics_sha256="0" * 64,
    uncommitted=(),
    stale=(),
    unmeasured=(),
    lowered_targets=(),
    contradictions=(),
    audited=("test RING001_001",),
    submitters=(SAM,),
    comparison=Comparison(champion=None, says="no earlier promotion is in force"),
)
PLAN = TrainingPlan(
    profile="prod",
    num_gpus=8,
    num_parameters=18_000_000_000,
    num_product_parameters=4_000_000_000,
    states_gib=42.0,
    activations_gib=13.0,
    gathered_gib=3.0,
    reserve_gib=4.0,
    available_gib=79.0,
    stage1_hours=58.0,
    stage2_hours=117.0,
    max_stage_hours=528.0,
    faults=(),
)


def sign_off(person: str, **changes: Any) -> SignOff:
    """An approval by this person."""
    values = {
        "outcome": "approved",
        "person": person,
        "account": ADA,
        "reason": "the report convinces",
        "decided_at": "2026-02-01T08:00:00+00:00",
        "flow_run": "f00d",
        "signed": False,
    }
    return SignOff(**(values | changes))


def promotion(person: str = "Ada", run: EvaluationRun = RUN, **changes: Any) -> Promotion:
    """A promotion that this person approved; `changes` are of the sign-off."""
    return Promotion(
        number=1,
        previous="0" * 64,
        sign_off=sign_off(person, **changes),
        run=run,
        transformer_sha256="b" * 64,
        samples_sha256="c" * 64,
        evidence=EVIDENCE,
        plan=PLAN,
        command="make run",
    )


def rollback(withdraws: int, person: str = "Grace") -> Rollback:
    """One that takes a promotion back."""
    word = sign_off(person, outcome="rolled_back", flow_run=None)
    return Rollback(number=1, previous="0" * 64, sign_off=word, withdraws=withdraws)
