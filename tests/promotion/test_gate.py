"""The promotion gate and its append-only record."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.promotion.gate import PROMOTIONS, find_objections, read_promotions, record_promotion, require_open
from pvtt.records.promotion import Evidence, Promotion, SignOff, TrainingPlan

EVIDENCE = Evidence(
    verdict="success",
    run_id="0123456789ab",
    evaluated_run_id="0123456789ab",
    commit="c0ffee",
    data_version="aaaa.dir",
    evaluated_data_version="aaaa.dir",
    metrics_sha256="0" * 64,
    uncommitted=(),
    stale=(),
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


def sign_off(person: str) -> SignOff:
    return SignOff(
        outcome="approved",
        person=person,
        account="ada@host (Ada <ada@example.org>)",
        reason="the report convinces",
        decided_at="2026-02-01T08:00:00+00:00",
        flow_run="f00d",
    )


def test_the_gate_opens_on_success_of_what_is_committed() -> None:
    require_open(EVIDENCE)


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"verdict": "incomplete"}, "the verdict is incomplete"),
        ({"evaluated_run_id": "ba9876543210"}, "evaluated is ba9876543210"),
        ({"stale": ("evaluate", "decide")}, "evaluate, decide are stale"),
        ({"data_version": "bbbb.dir"}, "data.dvc is version bbbb.dir"),
        ({"uncommitted": ("metrics/evaluate.json",)}, "not committed: metrics/evaluate.json"),
    ],
)
def test_the_gate_stays_shut(change: dict[str, object], objection: str) -> None:
    (found,) = find_objections(EVIDENCE.model_copy(update=change))

    assert objection in found


def test_every_objection_is_named_at_once() -> None:
    evidence = EVIDENCE.model_copy(update={"verdict": "overfit", "stale": ("report",)})

    with pytest.raises(PvttError, match=r"overfit.*report are stale"):
        require_open(evidence)


@pytest.mark.parametrize("fault", ["last line edited", "last line cut", "emptied", "deleted"])
def test_committed_records_stay(tmp_path: Path, fault: str) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    workspace, path = Workspace(tmp_path), tmp_path / PROMOTIONS
    git("init", "-q")
    for person in ("Ada", "Grace"):
        record_promotion(workspace, sign_off(person), EVIDENCE, PLAN, "make run")
    git("add", PROMOTIONS.as_posix())
    git("commit", "-q", "-m", "Promotions")
    record_promotion(workspace, sign_off("Edith"), EVIDENCE, PLAN, "make run")  # lines may be added
    first, second, _ = path.read_text().splitlines(keepends=True)
    if fault == "deleted":
        path.unlink()
    else:
        texts = {"last line edited": first + second.replace("Grace", "Grac3"), "last line cut": first, "emptied": ""}
        path.write_text(texts[fault])

    with pytest.raises(PvttError, match="is not what was committed"):
        read_promotions(tmp_path)
    with pytest.raises(PvttError, match="is not what was committed"):
        record_promotion(workspace, sign_off("Eve"), EVIDENCE, PLAN, "make run")


def test_records_are_a_chain(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for person in ("Ada", "Grace", "Edith"):
        record_promotion(workspace, sign_off(person), EVIDENCE, PLAN, "make run")

    promotions = read_promotions(tmp_path)

    assert [promotion.sign_off.person for promotion in promotions] == ["Ada", "Grace", "Edith"]
    assert [promotion.number for promotion in promotions] == [1, 2, 3]
    assert len({promotion.previous for promotion in promotions}) == 3


@pytest.mark.parametrize("fault", ["changed", "removed", "swapped"])
def test_a_tampered_record_is_found(tmp_path: Path, fault: str) -> None:
    workspace = Workspace(tmp_path)
    for person in ("Ada", "Grace", "Edith"):
        record_promotion(workspace, sign_off(person), EVIDENCE, PLAN, "make run")
    path = tmp_path / PROMOTIONS
    first, second, third = path.read_text().splitlines()
    lines = {
        "changed": [first.replace("Ada", "Eve"), second, third],
        "removed": [first, third],
        "swapped": [second, first, third],
    }[fault]
    path.write_text("\n".join(lines) + "\n")

    with pytest.raises(PvttError, match="the chain of promotions is broken"):
        read_promotions(tmp_path)
    with pytest.raises(PvttError, match="the chain of promotions is broken"):
        record_promotion(workspace, sign_off("Eve"), EVIDENCE, PLAN, "make run")


@pytest.mark.parametrize("end", [b"", b"\n", b'\n{"number": 3, "prev'])
def test_the_chain_goes_on_after_a_line_that_was_cut_off_or_lost_its_newline(tmp_path: Path, end: bytes) -> None:
    workspace = Workspace(tmp_path)
    for person in ("Ada", "Grace"):
        record_promotion(workspace, sign_off(person), EVIDENCE, PLAN, "make run")
    path = tmp_path / PROMOTIONS
    path.write_bytes(path.read_bytes().rstrip(b"\n") + end)

    assert len(read_promotions(tmp_path)) == 2
    record_promotion(workspace, sign_off("Edith"), EVIDENCE, PLAN, "make run")
    assert [promotion.sign_off.person for promotion in read_promotions(tmp_path)] == ["Ada", "Grace", "Edith"]


def test_a_record_reads_as_it_was_written(tmp_path: Path) -> None:
    written = record_promotion(Workspace(tmp_path), sign_off("Ada"), EVIDENCE, PLAN, "make run")

    assert Promotion.from_json((tmp_path / PROMOTIONS).read_text()) == written
    assert written.plan.memory_gib == 62.0
