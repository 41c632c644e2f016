"""Records on disk, and what their reader says of a file that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pvtt.errors import PvttError
from pvtt.records.base import faults_of, first_fault, iter_jsonl, parse_record, read_appended, read_jsonl, write_jsonl
from pvtt.records.catalog import Reject

CUT = Reject(stage="clip", item="JEWE001#2", reason="too_short", message="it lasts 2 s; at least 3 s are needed")


def test_records_come_back_from_json_lines_in_their_order(tmp_path: Path) -> None:
    rejects = [CUT, CUT.model_copy(update={"item": "JEWE001#1"})]
    write_jsonl(tmp_path / "rejects.jsonl", rejects)
    assert read_jsonl(tmp_path / "rejects.jsonl", Reject) == rejects


def test_a_damaged_line_is_named_with_its_number_and_field(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    path.write_text(CUT.to_json() + "\n" + CUT.to_json().replace('"clip"', "7") + "\n")
    lines = iter_jsonl(path, Reject)
    assert next(lines) == CUT
    with pytest.raises(PvttError, match=r"rejects\.jsonl:2: not a Reject: stage: Input should be a valid string"):
        next(lines)


def test_a_last_line_that_is_cut_off_is_passed_over_where_lines_are_appended_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    path.write_text(CUT.to_json() + "\n" + CUT.to_json()[:40])
    assert read_appended(path, Reject) == [CUT]
    with pytest.raises(PvttError, match=r"rejects\.jsonl:2: not a Reject: Invalid JSON"):
        read_jsonl(path, Reject)


def test_appended_lines_that_are_whole_and_wrong_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    assert read_appended(path, Reject) == []
    path.write_text(CUT.to_json() + "\n\n" + CUT.to_json().replace('"clip"', "7"))
    with pytest.raises(PvttError, match=r"rejects\.jsonl:3: not a Reject: stage: Input should be a valid string"):
        read_appended(path, Reject)
    path.write_text(CUT.to_json()[:40] + "\n" + CUT.to_json() + "\n")
    with pytest.raises(PvttError, match=r"rejects\.jsonl:1: not a Reject: Invalid JSON"):
        read_appended(path, Reject)


def test_text_that_is_no_json_has_no_field_to_blame() -> None:
    with pytest.raises(PvttError, match=r"^a\.json: not a Reject: Invalid JSON") as refusal:
        parse_record(Reject, '{"stage": ', "a.json", "make it again")
    assert refusal.value.hint == "make it again"


def test_all_faults_of_a_record_are_told_in_the_order_of_its_fields() -> None:
    with pytest.raises(ValidationError) as refusal:
        Reject.from_json('{"stage": 1, "item": 2, "reason": "r", "message": "m"}')
    assert [fault.partition(":")[0] for fault in faults_of(refusal.value)] == ["stage", "item"]
    assert first_fault(refusal.value) == "stage: Input should be a valid string"
