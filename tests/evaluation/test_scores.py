"""The scores that follow from the lists of metrics and contenders."""

from __future__ import annotations

from pvtt.evaluation.contenders.all import CONTENDERS, others
from pvtt.evaluation.scores import all_scores


def test_each_contender_is_measured_as_the_model_is_and_leads_are_differences() -> None:
    scores = {score.name: score for score in all_scores()}
    assert len(scores) == len(all_scores())
    for contender in others():
        for metric in ("product_psnr", "product_delta_e", "relative_flow_warp_error", "identity_top1"):
            beside = scores[f"{metric}_{contender.name}"]
            assert beside.measure is scores[metric].measure
            assert beside.says == contender.says
            assert beside.target is None  # only the model is held against targets
        lead = scores[contender.gain]
        assert lead.difference == ("product_psnr", f"product_psnr_{contender.name}")
        assert lead.target == ("zero" if contender.must_be_beaten else None)


def test_the_model_comes_first_and_has_no_suffix() -> None:
    assert CONTENDERS[0].name == "generated"
    assert not any(score.name.endswith("_generated") for score in all_scores())


def test_targets_and_directions_are_those_of_the_experiment_document() -> None:
    scores = {score.name: score for score in all_scores()}
    from_params = {name for name, score in scores.items() if score.target == "params"}
    assert from_params == {"psnr", "ssim", "lpips", "clip_i", "dino", "fvd"}
    assert {name for name in from_params if scores[name].better == "↓"} == {"lpips", "fvd"}
    assert {name for name, score in scores.items() if score.target == "chance"} == {"identity_top1"}
    assert {"swap_gain", "untrained_gain", "mean_fill_gain"} <= {
        name for name, score in scores.items() if score.target == "zero"
    }
    assert scores["blank_gain"].target is None
