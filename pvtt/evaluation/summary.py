"""From samples' metrics to a part's: means, intervals over products, and a status against a target."""

from __future__ import annotations

from collections.abc import Sequence

from pvtt.evaluation.contenders.contender import Contender
from pvtt.evaluation.generations import each_generation, seed_noise
from pvtt.evaluation.metrics.fvd import FvdResult
from pvtt.evaluation.metrics.metric import Metric
from pvtt.evaluation.scores import all_scores
from pvtt.params.evaluate import EvaluateParams, TargetParams
from pvtt.records.evaluation import EvaluatedSample, MetricStatus, MetricValue
from pvtt.records.parts import Part
from pvtt.stats.bootstrap import cluster_mean, cluster_share


def summarise(
    samples: Sequence[EvaluatedSample],
    part: Part,
    num_products: int,
    params: EvaluateParams,
    seed: int,
    fvd: FvdResult | None,
    routes: Sequence[Contender] = (),
) -> dict[str, MetricValue]:
    """A part's scores.

    Args:
        samples: The evaluated samples of the part.
        part: Which it is.
        num_products: Products among which identity is retrieved.
        params: Least numbers, resamples, targets.
        seed: Seed of the bootstrap.
        fvd: Measured over all videos together; None: the network is missing.
        routes: Contenders beside those of every run.
    """
    chance = _chance(num_products)
    return {
        score.name: _summarise_fvd(score, fvd, params)
        if score.name == "fvd"
        else _summarise_one(score, samples, params, seed, chance if score.chance else None)
        for score in all_scores(part, routes)
        if not score.optional or any(score.name in sample.metrics for sample in samples)
    }


def summarise_categories(
    samples: Sequence[EvaluatedSample], part: Part, num_products: int, params: EvaluateParams, seed: int
) -> dict[str, dict[str, MetricValue]]:
    """The scores that rank contenders, for the samples of each category. Arguments as `summarise`."""
    ranking = [score for score in all_scores(part) if score.ranks and score.subject is None]
    chance = _chance(num_products)
    return {
        category: {
            score.name: _summarise_one(
                score,
                [one for one in samples if one.category == category],
                params,
                seed,
                chance if score.chance else None,
            )
            for score in ranking
        }
        for category in sorted({sample.category for sample in samples})
    }


def _chance(num_products: int) -> float | None:
    return 1 / num_products if num_products > 1 else None


def _summarise_one(
    score: Metric, samples: Sequence[EvaluatedSample], params: EvaluateParams, seed: int, chance: float | None
) -> MetricValue:
    measured = [(sample, value) for sample in samples if (value := sample.metrics.get(score.name)) is not None]
    target = _target(score, params.targets, chance)

    def unknown(status: MetricStatus) -> MetricValue:
        return MetricValue(
            value=None, low=None, high=None, n=len(measured), chance=chance, target=target, status=status
        )

    if not measured:
        return unknown("not_measured")
    clusters = [sample.product_id for sample, _ in measured]
    if len(measured) < params.min_n or len(set(clusters)) < params.min_products:
        return unknown("too_few")
    values = [value for _, value in measured]
    if score.chance:  # a mean over generations is neither 0 nor 1, and those of one product are no news
        each = [(one, sample.product_id) for sample, _ in measured for one in each_generation(sample, score.name)]
        estimate = cluster_share([one for one, _ in each], [product for _, product in each])
    else:
        weights = None if score.weight is None else [score.weight(sample.metrics) for sample, _ in measured]
        estimate = cluster_mean(values, clusters, weights=weights, resamples=params.bootstrap, seed=seed)
    return MetricValue(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=len(measured),
        seed_noise=seed_noise([sample for sample, _ in measured], score.name),
        chance=chance,
        target=target,
        status=_status(score, estimate.value if score.target == "params" else estimate.low, target),
    )


def _summarise_fvd(score: Metric, fvd: FvdResult | None, params: EvaluateParams) -> MetricValue:
    target = _target(score, params.targets, None)
    value = None if fvd is None else fvd.value
    status: MetricStatus = "not_measured" if fvd is None else "too_few"
    if value is not None:
        status = _status(score, value, target)
    return MetricValue(
        value=value,
        low=None,
        high=None,
        n=fvd.n if fvd else 0,
        seed_noise=fvd.seed_noise if fvd else None,
        target=target,
        status=status,
    )


def _target(score: Metric, targets: TargetParams, chance: float | None) -> float | None:
    if score.target is None:
        return None
    return {"params": getattr(targets, score.name, None), "chance": chance, "zero": 0.0}[score.target]


def _status(score: Metric, compared: float, target: float | None) -> MetricStatus:
    if target is None:
        return "measured"
    passed = compared < target if score.better == "↓" else compared > target
    return "pass" if passed else "fail"
