"""A run's ratings → the figure that the decision looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from pvtt.ratings.agreement import krippendorff_alpha
from pvtt.ratings.queue import samples_to_rate
from pvtt.records.decision import RatingControls, RatingSummary
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.parts import Part
from pvtt.records.ratings import Rating
from pvtt.stats.bootstrap import MIN_CLUSTERS, cluster_mean


def summarise_ratings(
    ratings: Iterable[Rating],
    samples: Sequence[EvaluatedSample],
    min_raters: int,
    min_products: int = MIN_CLUSTERS,
    seed: int = 0,
) -> RatingSummary:
    """The mean of the videos' mean ratings, those of test products' own films and of transfers together.

    It counts as measured only when every video to rate has `min_raters` raters: otherwise one could rate the good ones
    and stop. A rater who did not rate the hidden truths above the hidden fills of one colour, each on average, does not
    count: it was no look at the videos. Who saw no control counts.

    Args:
        ratings: The last rating of each showing.
        samples: The evaluated samples of the run that was rated.
        min_raters: Least number of raters a video.
        min_products: Least number of products for an interval over them.
        seed: Seed of the bootstrap.
    """
    to_rate = {sample.key: sample for sample in samples_to_rate(samples)}
    known = [rating for rating in ratings if rating.key in to_rate]
    controls = _controls(known)
    counted = [
        rating
        for rating in known
        if rating.shown == "generated" and not rating.again and rating.rater not in controls.unreliable
    ]
    scores: dict[str, list[int]] = defaultdict(list)
    for rating in counted:
        scores[rating.key].append(rating.score)
    means = {key: fmean(scores[key]) for key in to_rate if len(scores[key]) >= min_raters}
    by_part: dict[Part, list[float]] = defaultdict(list)
    for key, mean in means.items():
        by_part[to_rate[key].part].append(mean)
    summary = RatingSummary(
        value=None,
        low=None,
        high=None,
        of_part={part: fmean(of_part) for part, of_part in by_part.items()},
        num_videos=len(means),
        num_videos_to_rate=len(to_rate),
        num_raters=len({rating.rater for rating in counted}),
        num_ratings=len(counted),
        agreement=krippendorff_alpha([scores[key] for key in to_rate]),
        controls=controls,
        status="not_measured",
    )
    if not to_rate or len(means) < len(to_rate):
        return summary
    products = [to_rate[key].product_id for key in means]
    if len(set(products)) < min_products:
        return summary.model_copy(update={"status": "too_few"})
    estimate = cluster_mean(list(means.values()), products, seed=seed)
    measured = {"value": estimate.value, "low": estimate.low, "high": estimate.high, "status": "measured"}
    return summary.model_copy(update=measured)


def _controls(ratings: Sequence[Rating]) -> RatingControls:
    """What raters gave to the videos that are hidden among the others."""
    own: dict[tuple[str, str], list[int]] = defaultdict(list)  # of a rater, by what was shown
    first = {(one.rater, one.key): one.score for one in ratings if one.shown == "generated" and not one.again}
    differences = []
    for rating in ratings:
        own[rating.rater, rating.shown].append(rating.score)
        if rating.again and (rating.rater, rating.key) in first:
            differences.append(abs(rating.score - first[rating.rater, rating.key]))
    raters = sorted({rating.rater for rating in ratings})

    def mean(shown: str, rater: str | None = None) -> float | None:
        found = [
            score for (one, kind), scores in own.items() if kind == shown and rater in (None, one) for score in scores
        ]
        return fmean(found) if found else None

    def looked(rater: str) -> bool:
        truth, fill = mean("ground_truth", rater), mean("mean_fill", rater)
        return truth is None or fill is None or truth > fill

    return RatingControls(
        ground_truth=mean("ground_truth"),
        mean_fill=mean("mean_fill"),
        num_repeated=len(differences),
        repeat_difference=fmean(differences) if differences else None,
        unreliable=tuple(rater for rater in raters if not looked(rater)),
    )
