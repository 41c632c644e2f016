"""All faults that are planted into the evaluator, and how many its certification catches: two minutes.

`pytest tests/benchmarks/test_mutations.py -s` prints the count.
"""

from __future__ import annotations

from tests.evaluation.mutations import MUTATIONS
from tests.evaluation.test_mutations import require_caught


def test_all_faults_of_the_evaluator_are_caught() -> None:
    require_caught(MUTATIONS)
