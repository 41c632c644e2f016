"""From samples' metrics to a split's: means, intervals over products, and a status against a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pvtt.evaluation.metrics.motion import WARP_ERROR_FLOOR
from pvtt.params.evaluate import EvaluateParams, TargetParams
from pvtt.records.evaluation import EvaluatedSample, MetricStatus, MetricValue
from pvtt.stats.bootstrap import cluster_mean

MIN_PRODUCTS = 2  # an interval over products needs two

# Everything in metrics/evaluate.json, in its order. Metrics that an evaluation can't have stand there as not measured.
METRICS = (
    "psnr",
    "ssim",
    "lpips",
    "product_psnr",
    "product_ssim",
    "product_lpips",
    "product_delta_e",
    "flicker",
    "flow_warp_error",
    "flow_warp_error_ground_truth",
    "relative_flow_warp_error",
    "outside_motion_error",
    "identity_top1",
    "identity_top1_ground_truth",
    "identity_top1_swapped",
    "identity_top1_blank",
    "identity_top1_untrained",
    "identity_top1_mean_fill",
    "swap_followed",
    "product_psnr_swapped",
    "product_psnr_blank",
    "product_psnr_untrained",
    "product_psnr_mean_fill",
    "swap_gain",
    "blank_gain",
    "untrained_gain",
    "mean_fill_gain",
    "leak_change",
    "blank_change",
    "clip_i",
    "dino",
    "fvd",
)
RETRIEVAL = (*(name for name in METRICS if name.startswith("identity_top1")), "swap_followed")
LOWER_IS_BETTER = ("lpips", "fvd")  # of those with a target
GAINS = ("swap_gain", "untrained_gain", "mean_fill_gain")  # must lie above 0 with their whole interval


@dataclass(frozen=True)
class FvdResult:
    """FVD of a split; `value` is None where its network is missing or the videos are too few for it."""

    value: float | None
    n: int


def summarise(
    samples: Sequence[EvaluatedSample], params: EvaluateParams, seed: int, fvd: FvdResult | None
) -> dict[str, MetricValue]:
    """A split's metrics.

    Args:
        samples: The split's.
        params: Least numbers, resamples, targets.
        seed: Of the bootstrap.
        fvd: Measured over all videos together; None: the network is missing.
    """
    num_products = len({sample.product_id for sample in samples})
    chance = 1 / num_products if num_products > 1 else None
    summary = {
        name: _summarise_one(name, samples, params, seed, chance if name in RETRIEVAL else None)
        for name in METRICS
        if name != "fvd"
    }
    return summary | {"fvd": _summarise_fvd(fvd, params)}


def _summarise_one(
    name: str, samples: Sequence[EvaluatedSample], params: EvaluateParams, seed: int, chance: float | None
) -> MetricValue:
    measured = [(sample, value) for sample in samples if (value := sample.metrics.get(name)) is not None]
    target = _target(name, params.targets, chance)

    def unknown(status: MetricStatus) -> MetricValue:
        return MetricValue(
            value=None, low=None, high=None, n=len(measured), chance=chance, target=target, status=status
        )

    if not measured:
        return unknown("not_measured")
    clusters = [sample.product_id for sample, _ in measured]
    if len(measured) < params.min_n or len(set(clusters)) < MIN_PRODUCTS:
        return unknown("too_few")
    values = [value for _, value in measured]
    weights = None
    if name == "relative_flow_warp_error":  # the ratio of the sums: steadier than the mean of ratios
        weights = [_ground_truth_warp(sample.metrics) for sample, _ in measured]
    estimate = cluster_mean(values, clusters, weights=weights, resamples=params.bootstrap, seed=seed)
    compared = estimate.low if name in GAINS or chance is not None else estimate.value
    return MetricValue(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=estimate.n,
        chance=chance,
        target=target,
        status=_status(name, compared, target),
    )


def _summarise_fvd(fvd: FvdResult | None, params: EvaluateParams) -> MetricValue:
    target = params.targets.fvd
    value = None if fvd is None else fvd.value
    status: MetricStatus = "not_measured" if fvd is None else "too_few"
    if value is not None:
        status = _status("fvd", value, target)
    return MetricValue(value=value, low=None, high=None, n=fvd.n if fvd else 0, target=target, status=status)


def _ground_truth_warp(metrics: Mapping[str, float | None]) -> float:
    own = metrics["flow_warp_error_ground_truth"]
    return max(own or 0.0, WARP_ERROR_FLOOR)


def _target(name: str, targets: TargetParams, chance: float | None) -> float | None:
    if name == "identity_top1":
        return chance
    if name in GAINS:
        return 0.0
    return {
        "psnr": targets.psnr,
        "ssim": targets.ssim,
        "lpips": targets.lpips,
        "clip_i": targets.clip_i,
        "dino": targets.dino,
    }.get(name)


def _status(name: str, compared: float, target: float | None) -> MetricStatus:
    if target is None:
        return "measured"
    passed = compared < target if name in LOWER_IS_BETTER else compared > target
    return "pass" if passed else "fail"
