"""Faults planted into the evaluator: certification, which runs with every evaluation, catches them.

`pytest tests/evaluation/test_mutations.py -s` prints the count.
"""

from __future__ import annotations

import collections

import pytest

from pvtt.errors import PvttError
from pvtt.evaluation.certification.all import certify
from tests.evaluation.mutations import MUTATIONS
from tests.mutate import Mutation, planted

LEAST_SHARE = 0.95


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


def test_faults_of_the_evaluator_are_caught() -> None:
    assert len(MUTATIONS) == len(set(MUTATIONS)) >= 40
    certify()
    missed = [str(mutation) for mutation in MUTATIONS if not caught(mutation)]
    certify()  # no fault is left
    of_module = collections.Counter(mutation.module for mutation in MUTATIONS)
    print(
        f"{len(MUTATIONS) - len(missed)} of {len(MUTATIONS)} faults in {len(of_module)} modules are caught",
        *missed,
        sep="\n",
    )
    assert 1 - len(missed) / len(MUTATIONS) >= LEAST_SHARE, missed


def test_a_fault_whose_text_is_gone_or_that_changes_nothing_is_refused() -> None:
    for text, fault in (("no such text", "x"), ("PEAK = 255.0", "PEAK = 255.0"), ("PEAK = 255.0", "PEAK = 255.00")):
        with (
            pytest.raises(ValueError, match=r"stands in|nothing that runs"),
            planted(Mutation("evaluation.metrics.reconstruction", text, fault)),
        ):
            pass
