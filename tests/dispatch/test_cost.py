"""GPU-hours and energy by stage, from a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pvtt.dispatch.cost import StageCost, stage_costs
from pvtt.dispatch.ledger import Attempt, Ledger, Submission, SubmissionState, timestamp

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
# What sacct of a cluster with energy accounting prints: a job, its batch script, its steps.
SACCT = """#!/bin/sh
echo "1|3600000"
echo "1.batch|3600000"
echo "1.0|3600000"
echo "1|1800000"
"""


def hours(number: float) -> str:
    return timestamp(START + timedelta(hours=number))


def send(
    ledger: Ledger,
    stage: str,
    job: str,
    state: SubmissionState | None,
    starts: list[tuple[str, float, float | None]],
    kind: str = "run",
) -> None:
    """A submission on 8 GPUs with starts of a state, from and to an hour."""
    new = Submission(
        id=0,
        stage=stage,
        kind=kind,
        call="k",
        folder="f",
        job_name="n",
        job_id=None,
        num_tasks=1,
        num_ranks=1,
        gpus=8,
        state="sending",
        note="",
        driver="h:1",
        submitted_at=hours(0),
        closed_at=None,
    )
    sent = ledger.sent(ledger.begin(new), job)
    attempts = [
        Attempt(
            submission=sent.id,
            job_id=job,
            attempt=number,
            state=word,
            reason="",
            node="n1",
            started_at=hours(start),
            ended_at=None if end is None else hours(end),
            log="",
        )
        for number, (word, start, end) in enumerate(starts, 1)
    ]
    ledger.note(attempts)
    if state is not None:
        ledger.close(sent, state)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "jobs.sqlite")
    send(ledger, "train_stage1", "1", SubmissionState.DONE, [("PREEMPTED", 0, 2), ("COMPLETED", 3, 6)])
    send(ledger, "train_stage2", "2", SubmissionState.FAILED, [("COMPLETED", 6, 7)])
    send(ledger, "evaluate", "3", SubmissionState.FAILED, [("COMPLETED", 7, 8), ("OUT_OF_MEMORY", 8, 8.5)], "map")
    send(ledger, "encode", "4", None, [("RUNNING", 8, None)], "map")
    return ledger


def test_useful_hours_stand_apart_from_those_of_starts_that_failed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no sacct
    costs = {cost.stage: cost for cost in stage_costs(ledger, 1000.0, now=START + timedelta(hours=9))}
    assert {name: (cost.useful, cost.failed, cost.at_work) for name, cost in costs.items()} == {
        "train_stage1": (24.0, 16.0, 0.0),
        "train_stage2": (0.0, 8.0, 0.0),  # its error was sent back, so Slurm calls it completed
        "evaluate": (8.0, 4.0, 0.0),
        "encode": (0.0, 0.0, 8.0),
    }
    assert (costs["train_stage1"].kwh, costs["train_stage1"].energy_from) == (40.0, "watts")
    assert costs["train_stage1"].cells[-1] == "gpu_watts of the profile × GPU-hours"
    assert stage_costs(ledger, None)[0].cells[-2:] == ("not known", "")


def test_energy_is_what_slurm_has_measured_where_it_has(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are sacct's; the local cluster keeps no accounts, so the program is a script that prints them."""
    sacct = tmp_path / "bin" / "sacct"
    sacct.parent.mkdir()
    sacct.write_text(SACCT)
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sacct.parent}:/bin")
    first: StageCost = stage_costs(ledger, 1000.0)[0]
    assert (first.kwh, first.energy_from) == (1.5, "accounting")  # both starts, each once


def test_only_what_a_run_has_sent_or_waited_for_counts(ledger: Ledger) -> None:
    assert [cost.stage for cost in stage_costs(ledger, None, since="2999-01-01")] == ["encode"]  # open still
