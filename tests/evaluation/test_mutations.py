"""Faults planted into the evaluator: certification, which runs with every evaluation, catches them.

Here every third of them, from all modules; `pytest tests/benchmarks/test_mutations.py -s` plants all and prints the
count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from pvtt.errors import PvttError
from pvtt.evaluation.certification.all import certify
from tests.evaluation.mutations import MUTATIONS
from tests.mutate import Mutation, planted

LEAST_SHARE = 0.95
EVERY = 3  # of all mutations, so that `make test` takes seconds


def caught(mutation: Mutation) -> bool:
    """Whether the evaluator refuses to measure, or cannot."""
    with planted(mutation):
        try:
            certify()
        except PvttError as error:
            return "does not pass its own check" in error.message
        except Exception:
            return True
    return False


def require_caught(mutations: Sequence[Mutation]) -> None:
    """Plant one after the other, print how many are caught, and fail where too many are not."""
    certify()
    missed = [str(mutation) for mutation in mutations if not caught(mutation)]
    certify()  # no fault is left
    num_modules, num_caught = len({mutation.module for mutation in mutations}), len(mutations) - len(missed)
    print(f"{num_caught} of {len(mutations)} faults in {num_modules} modules are caught", *missed, sep="\n")
    assert num_caught / len(mutations) >= LEAST_SHARE, missed


def test_faults_of_the_evaluator_are_caught() -> None:
    assert max(Counter(MUTATIONS).values()) == 1
    assert len(MUTATIONS[::EVERY]) >= 40
    require_caught(MUTATIONS[::EVERY])


def test_a_fault_whose_text_is_gone_or_that_changes_nothing_is_refused() -> None:
    for text, fault in (("no such text", "x"), ("PEAK = 255.0", "PEAK = 255.0"), ("PEAK = 255.0", "PEAK = 255.00")):
        with (
            pytest.raises(ValueError, match=r"stands in|nothing that runs"),
            planted(Mutation("evaluation.metrics.reconstruction", text, fault)),
        ):
            pass
