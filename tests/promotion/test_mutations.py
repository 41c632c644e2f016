"""Faults planted into the gate: the tests of its records show them.

Here those that tests without a project show, every fourth; `pytest tests/benchmarks/test_gate_mutations.py -s` plants
all, with the attempts on a real project among the tests, and prints which test shows which.
"""

from __future__ import annotations

from pathlib import Path

from tests.promotion.mutation_round import run_round
from tests.promotion.mutations import FAULTS, UNIT

LEAST_SHARE = 0.95
EVERY = 5  # so that `make test` takes seconds
QUICK = ("test_gate.py", "test_champion.py", "test_lock.py", "test_near.py")


def test_every_fault_changes_one_place_of_the_code(project_root: Path) -> None:
    for fault in FAULTS:
        mutation = fault.mutation
        path = project_root / mutation.package / f"{mutation.module.replace('.', '/')}.py"
        source = path.read_text()
        assert source.count(mutation.text) == 1, f"{path}: {mutation.text}"
        compile(source.replace(mutation.text, mutation.fault), str(path), "exec")
    assert len({fault.mutation for fault in FAULTS}) == len(FAULTS)


def test_faults_of_the_gate_show_in_its_tests(tmp_path: Path) -> None:
    files = [f"{UNIT}{name}" for name in QUICK]
    faults = [fault for fault in FAULTS if fault.shows_in in files][::EVERY]
    assert len(faults) >= 15
    caught = run_round(faults, files, tmp_path / "round").caught
    missed = [str(fault.mutation) for fault, test in caught.items() if test is None]
    assert missed == []
