"""What `dvc.lock` says of the data and of single files, and files that are not that."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pvtt.errors import MissingInputError
from pvtt.promotion.lock import data_version, evaluated_data_version, unlocked_files


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "loss.csv").write_text("1,0.5\n")
    (tmp_path / "decision.json").write_text("{}")
    clip = {"deps": [{"path": "params", "md5": "0" * 32}, {"path": "data", "md5": "a.dir"}]}
    decide = {
        "deps": [{"path": "loss.csv", "md5": md5("1,0.5\n")}, {"path": "ratings", "md5": "b.dir"}, {"path": "no-hash"}],
        "outs": [{"path": "decision.json", "md5": md5("{}")}],
    }
    write(tmp_path / "dvc.lock", {"stages": {"clip": clip, "decide": decide}})
    write(tmp_path / "data.dvc", {"outs": [{"md5": "c.dir", "path": "data"}]})
    return tmp_path


def write(path: Path, data: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(data, file)


def test_the_data_of_the_checkout_and_those_that_were_evaluated_are_two_hashes(root: Path) -> None:
    assert data_version(root) == "c.dir"
    assert evaluated_data_version(root) == "a.dir"


def test_a_run_on_no_data_is_none(root: Path) -> None:
    write(root / "dvc.lock", {"stages": {"clip": {"deps": []}}})
    with pytest.raises(MissingInputError, match="knows no data"):
        evaluated_data_version(root)


def test_files_that_are_what_was_recorded_are_not_named(root: Path) -> None:
    assert list(unlocked_files(root, ("decide",))) == []


@pytest.mark.parametrize("name", ["loss.csv", "decision.json"])
def test_a_file_that_was_changed_or_taken_away_is_named(root: Path, name: str) -> None:
    (root / name).write_text("1,0.4\n")
    (fault,) = unlocked_files(root, ("decide",))
    assert fault.startswith(f"{name}: its hash is {md5('1,0.4' + chr(10))[:12]}, dvc.lock has ")
    (root / name).unlink()
    (fault,) = unlocked_files(root, ("decide",))
    assert fault.startswith(f"{name}: it is not there, dvc.lock has it as ")


def test_a_stage_that_never_ran_is_named(root: Path) -> None:
    assert list(unlocked_files(root, ("evaluate",))) == ["dvc.lock: it has no evaluate"]
