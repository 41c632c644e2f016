"""Where another contender beats the model, in words."""

from __future__ import annotations

from pvtt.evaluation.comparison import defeats, in_words
from pvtt.records.evaluation import EvaluationMetrics, MetricValue


def metrics(**values: float | None) -> EvaluationMetrics:
    """On the test split."""
    found = {
        name: MetricValue(
            value=value, low=value, high=value, n=8, status="not_measured" if value is None else "measured"
        )
        for name, value in values.items()
    }
    return EvaluationMetrics(run_id="0" * 12, train={}, val={}, test=found, transfer={}, categories={}, unmeasured={})


def test_a_contender_that_is_better_by_some_metrics_is_named_with_the_figures_of_both() -> None:
    measured = metrics(
        product_psnr=13.8,
        product_psnr_paste=13.9,
        product_delta_e=14.0,
        product_delta_e_paste=6.26,
        identity_top1=0.9,
        identity_top1_paste=0.8,
        product_psnr_inpaint=9.9,
    )
    assert in_words(defeats(measured)) == (
        "On test, paste beats the model: product PSNR 13.9 dB against 13.8 dB; product ΔE 6.26 against 14.",
    )


def test_a_model_that_is_best_is_not_beaten_and_what_was_not_measured_beats_nobody() -> None:
    assert defeats(metrics(product_psnr=13.8, product_psnr_paste=13.8, product_psnr_inpaint=None)) == ()
    assert defeats(metrics(product_psnr=None, product_psnr_paste=13.8)) == ()


def test_steadiness_alone_beats_nobody() -> None:
    steady = metrics(relative_flow_warp_error=1.9, relative_flow_warp_error_mean_fill=0.2)
    assert defeats(steady) == ()  # one flat colour is the steadiest of all


def test_figures_that_differ_do_not_look_alike() -> None:
    measured = metrics(product_psnr=13.5198, product_psnr_redrawn=13.5213)
    assert in_words(defeats(measured)) == (
        "On test, redrawn beats the model: product PSNR 13.521 dB against 13.52 dB.",
    )
