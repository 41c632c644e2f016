"""All faults that are planted into the gate, and which test shows each.

`pytest tests/benchmarks/test_gate_mutations.py -s` prints them and the count.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promotion.mutation_round import run_round
from tests.promotion.mutations import FAULTS, FOLDERS
from tests.promotion.test_mutations import LEAST_SHARE


@pytest.mark.timeout(7200)
def test_faults_of_the_gate_show_in_its_tests(tmp_path: Path) -> None:
    caught = run_round(FAULTS, FOLDERS, tmp_path / "round", elsewhere=True).caught
    missed = [str(fault.mutation) for fault, test in caught.items() if test is None]
    modules = {(fault.mutation.package, fault.mutation.module) for fault in FAULTS}
    print(
        f"\n{len(FAULTS) - len(missed)} of {len(FAULTS)} faults in {len(modules)} modules show in a test",
        *missed,
        sep="\n",
    )
    assert 1 - len(missed) / len(FAULTS) >= LEAST_SHARE, missed
