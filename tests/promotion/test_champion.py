"""The candidate beside the champion: paired by samples, never across evaluators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pvtt.params.promote import PromoteParams
from pvtt.promotion.champion import compare, describe_comparison
from pvtt.records.evaluation import EvaluatedSample, EvaluationRun
from pvtt.records.promotion import Comparison, PromotedSample
from tests.promotion.records import RUN, promotion

PARAMS = PromoteParams()
PRODUCTS = [f"RING{number:03d}" for number in range(8)] + [f"MUG{number:03d}" for number in range(4)]


def reached(gain: float = 0.0, of_mugs: float | None = None, sha256: str = "1" * 64) -> list[PromotedSample]:
    """Twelve products of widely different difficulty, in test and as transfers; `gain` dB above what was."""
    random = np.random.default_rng(0)
    samples = []
    for part in ("test", "transfer"):
        for product in PRODUCTS:
            is_mug = product.startswith("MUG")
            psnr = float(random.normal(22, 5)) + (of_mugs if is_mug and of_mugs is not None else gain)
            samples.append(
                PromotedSample(
                    product_id=product,
                    clip_id="001",
                    part=part,  # type: ignore[arg-type]
                    category="mug" if is_mug else "ring",
                    inputs_sha256=sha256,
                    metrics={"product_psnr": psnr, "product_delta_e": 30 - psnr},
                )
            )
    return samples


def evaluated(samples: Sequence[PromotedSample], champion: Sequence[PromotedSample] = ()) -> list[EvaluatedSample]:
    """The same as an evaluation's samples, with the champion among the contenders if it is given."""
    beside: list[dict[str, float | None]] = [
        {f"{name}_champion": value for name, value in one.metrics.items()} for one in champion
    ] or [{} for _ in samples]
    return [
        EvaluatedSample(
            product_id=one.product_id,
            clip_id=one.clip_id,
            split="test",
            track="transfer" if one.part == "transfer" else "reconstruct",
            category=one.category,
            caption="",
            swapped_product_id=None,
            photo_paths=(),
            videos={},
            metrics={**one.metrics, **theirs},
        )
        for one, theirs in zip(samples, beside, strict=True)
    ]


def candidate(**changes: Any) -> EvaluationRun:
    return RUN.model_copy(update={"run_id": "ba9876543210", "model_sha256": "e" * 64} | changes)


def held(now: Sequence[PromotedSample], run: EvaluationRun | None = None, **params: Any) -> Comparison:
    settings = PARAMS.model_copy(update=params)
    return compare(promotion(), reached(), run or candidate(), now, evaluated(now), settings)


def test_without_an_earlier_promotion_there_is_nothing_to_beat_and_that_is_said() -> None:
    now = reached()
    comparison = compare(None, [], candidate(), now, evaluated(now), PARAMS)
    assert comparison.faults == ()
    assert describe_comparison(comparison) == "no earlier promotion is in force: there is no champion to beat"


def test_a_small_lead_shows_because_samples_are_paired() -> None:
    comparison = held(reached(gain=0.5))
    assert comparison.faults == ()
    (test,) = [
        one for one in comparison.figures if (one.metric, one.part, one.category) == ("product_psnr", "test", None)
    ]
    assert test.lead == pytest.approx(0.5)
    assert (test.low, test.high) == (pytest.approx(0.5), pytest.approx(0.5))  # products differ by 5 dB, leads by none
    assert (test.num_samples, test.num_products) == (12, 12)
    assert "product_psnr: test +0.5 [0.5, 0.5]; mug of test +0.5" in describe_comparison(comparison)


def test_a_lead_is_positive_where_less_is_better() -> None:
    (error,) = [one for one in held(reached(gain=0.5)).figures if (one.metric, one.part) == ("product_delta_e", "test")]
    assert error.lead == pytest.approx(0.5)


@pytest.mark.parametrize("gain", [-0.5, 0.0, 0.15])
def test_less_than_the_least_lead_is_no_step_forward(gain: float) -> None:
    (fault,) = held(reached(gain=gain)).faults
    assert fault.startswith("its lead over the champion is no step forward: test ")


def test_a_lead_that_chance_explains_is_none() -> None:
    now = [
        one.model_copy(update={"metrics": {"product_psnr": (one.metrics["product_psnr"] or 0) + led}})
        for one, led in zip(reached(), [2.4, -1.6] * 12, strict=True)
    ]
    comparison = held(now, margin=100.0)
    (test,) = [one for one in comparison.figures if one.part == "test" and one.category is None]
    assert test.lead > PARAMS.min_lead
    assert test.low is not None
    assert test.low < 0
    assert len(comparison.faults) == 1


def test_no_category_may_fall_behind_by_more_than_the_margin() -> None:
    faults = held(reached(gain=3.0, of_mugs=-1.5)).faults
    assert faults == (
        "it falls behind the champion on mug of test by 1.5 dB, more than promote.margin, 1 dB",
        "it falls behind the champion on mug of transfer by 1.5 dB, more than promote.margin, 1 dB",
    )
    assert held(reached(gain=3.0, of_mugs=-1.5), margin=2.0).faults == ()


@pytest.mark.parametrize(
    ("change", "named"), [({"evaluator": "2"}, "evaluator"), ({"protocol": {"seed": 1}}, "protocol")]
)
def test_figures_of_another_evaluator_are_not_compared(change: dict[str, Any], named: str) -> None:
    run = candidate(fingerprint=RUN.fingerprint.model_copy(update=change))
    comparison = held(reached(gain=5.0), run)
    assert comparison.figures == ()
    assert comparison.faults[0].startswith(f"the champion was measured in another way ({named}): continue it")


def test_where_training_continued_the_champion_both_were_measured_together() -> None:
    other = {"fingerprint": RUN.fingerprint.model_copy(update={"evaluator": "2"})}
    run, now = candidate(champion_sha256=promotion().transformer_sha256, **other), reached(gain=0.6)
    comparison = compare(promotion(), [], run, now, evaluated(now, reached()), PARAMS)
    assert comparison.faults == ()
    assert comparison.says == "both were measured in this evaluation"


def test_samples_whose_bytes_have_changed_are_not_paired() -> None:
    (fault,) = held(reached(gain=5.0, sha256="2" * 64)).faults
    assert fault == "candidate and champion share too few samples of test to compare them"


def test_the_champion_is_not_promoted_again() -> None:
    (fault,) = held(reached(), RUN).faults
    assert fault == "the evaluated model is the champion itself, of promotion 1"


def test_a_lead_and_what_is_asked_never_look_alike_where_they_differ() -> None:
    (fault,) = held(reached(gain=0.1999)).faults
    assert "test +0.1999 [" in fault
    behind = held(reached(gain=-1.001)).faults
    assert any("on test by 1.001 dB, more than promote.margin, 1 dB" in one for one in behind)


def test_another_contender_that_stands_beside_is_not_taken_for_the_champion() -> None:
    run, now = candidate(champion_sha256="f" * 64), reached(gain=0.6)
    beside = evaluated(now, reached(gain=-5.0))
    comparison = compare(promotion(), reached(gain=1.0), run, now, beside, PARAMS)
    assert "are those of its promotion" in comparison.says
    assert comparison.faults[0].startswith("its lead over the champion is no step forward: test -0.4 ")


def test_the_lead_must_show_on_the_part_that_was_named() -> None:
    now = [
        one.model_copy(update={"metrics": {"product_psnr": (one.metrics["product_psnr"] or 0) + 0.5}})
        if one.part == "test"
        else one
        for one in reached()
    ]
    assert held(now).faults == ()
    (fault,) = held(now, part="transfer").faults
    assert fault.startswith("its lead over the champion is no step forward: transfer ")
