"""A run's ratings → the figure that the decision looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pvtt.ratings.agreement import krippendorff_alpha
from pvtt.records.decision import RatingSummary
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.ratings import Rating
from pvtt.stats.bootstrap import MIN_CLUSTERS, cluster_mean


def samples_to_rate(samples: Iterable[EvaluatedSample]) -> list[EvaluatedSample]:
    """The test samples whose videos people rate."""
    return [sample for sample in samples if sample.split == "test" and sample.to_rate and sample.videos]


def summarise_ratings(
    ratings: Iterable[Rating],
    samples: Sequence[EvaluatedSample],
    min_raters: int,
    min_products: int = MIN_CLUSTERS,
    seed: int = 0,
) -> RatingSummary:
    """The mean of the videos' mean ratings.

    It counts as measured only when every video to rate has `min_raters` raters: otherwise one could rate the good ones
    and stop.

    Args:
        ratings: The last rating of each rater and video.
        samples: The evaluated samples of the run that was rated.
        min_raters: Least number of raters a video.
        min_products: Least number of products for an interval over them.
        seed: Seed of the bootstrap.
    """
    to_rate = {sample.key: sample for sample in samples_to_rate(samples)}
    scores: dict[str, list[int]] = defaultdict(list)
    raters = set()
    for rating in ratings:
        if rating.key in to_rate:
            scores[rating.key].append(rating.score)
            raters.add(rating.rater)
    rated = [key for key in to_rate if len(scores[key]) >= min_raters]
    num_ratings = sum(len(values) for values in scores.values())
    agreement = krippendorff_alpha([scores[key] for key in to_rate])
    counts = {
        "num_videos": len(rated),
        "num_videos_to_rate": len(to_rate),
        "num_raters": len(raters),
        "num_ratings": num_ratings,
    }
    if not to_rate or len(rated) < len(to_rate):
        return RatingSummary(value=None, low=None, high=None, agreement=agreement, status="not_measured", **counts)
    if len({to_rate[key].product_id for key in rated}) < min_products:
        return RatingSummary(value=None, low=None, high=None, agreement=agreement, status="too_few", **counts)
    means = [sum(scores[key]) / len(scores[key]) for key in rated]
    estimate = cluster_mean(means, [to_rate[key].product_id for key in rated], seed=seed)
    return RatingSummary(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        agreement=agreement,
        status="measured",
        **counts,
    )
