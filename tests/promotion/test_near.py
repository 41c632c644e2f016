"""How far a figure of a kept film may be off: by what the encoder does, and no further to the better."""

from __future__ import annotations

import pytest

from pvtt.evaluation.metrics.metric import Metric
from pvtt.evaluation.scores import all_scores
from pvtt.promotion.near import Moved, is_near, is_same

SCORES = {score.name: score for score in all_scores()}
UNMOVED = (1.0, 1.0)  # the true film's figure, before and after the encoder


def near(
    name: str, recorded: float | None, value: float | None, again: float | None, truth: tuple[float, float]
) -> bool:
    return is_near(SCORES[name], recorded, value, lambda: Moved(again, *truth))


@pytest.mark.parametrize(
    ("name", "recorded", "value", "again", "truth", "expected"),
    [
        ("ssim", 0.9, 0.89, 0.888, (1.0, 0.99), True),  # 3 × 0.01 of the true film, and rounding
        ("ssim", 0.98, 0.89, 0.888, (1.0, 0.99), False),
        ("ssim", 0.7, 0.89, 0.888, (1.0, 0.99), True),  # nobody claims less than they have
        ("relative_flow_warp_error", 1.2, 1.3, 1.29, (1.0, 0.96), True),
        ("relative_flow_warp_error", 0.9, 1.3, 1.29, (1.0, 0.96), False),
        ("relative_flow_warp_error", 0.9, 1.3, 1.15, (1.0, 0.96), True),  # this film's own figure is unsure
        ("product_psnr", 30.0, 29.8, 29.7, (100.0, 46.0), True),
        ("product_psnr", 45.0, 29.8, 29.7, (100.0, 46.0), False),
        ("product_psnr", 20.0, 29.8, 29.7, (100.0, 46.0), False),  # a better film than was measured
        ("product_psnr_swapped", 12.0, 13.5, 13.4, (100.0, 46.0), True),  # grain that the encoder took out
        ("product_psnr_swapped", 8.0, 13.5, 13.4, (100.0, 46.0), False),  # it must not seem worse than it is
        ("leak_change", 30.0, 3.0, 3.0, (0.0, 0.5), False),
    ],
)
def test_a_figure_may_be_as_far_off_as_the_encoder_takes_it(
    name: str, recorded: float, value: float, again: float, truth: tuple[float, float], expected: bool
) -> None:
    assert near(name, recorded, value, again, truth) is expected


def test_what_was_measured_cannot_be_measured_no_more() -> None:
    assert near("ssim", None, None, None, UNMOVED)
    assert not near("ssim", 0.9, None, None, UNMOVED)
    assert not near("ssim", None, 0.9, 0.9, UNMOVED)


@pytest.mark.parametrize(("recorded", "again", "expected"), [(1.0, 1.0, True), (0.0, 1.0, False), (0.0, 0.0, True)])
def test_a_share_says_nothing_where_the_encoder_alone_changes_it(recorded: float, again: float, expected: bool) -> None:
    assert near("identity_top1", recorded, 1.0, again, UNMOVED) is expected


@pytest.mark.parametrize("score", [one for one in SCORES.values() if one.measure is not None], ids=lambda one: one.name)
def test_no_figure_contradicts_itself(score: Metric) -> None:
    for value in (0.0, 1.0, 12.5):
        assert is_near(score, value, value, lambda: pytest.fail("the encoder need not be asked"))


def test_what_needs_no_film_is_the_same_to_a_few_thousandths() -> None:
    assert is_same(12.501, 12.5)
    assert not is_same(12.6, 12.5)
    assert is_same(None, None)
    assert not is_same(None, 12.5)
