"""What people's votes on a run come to, and how far each metric ranks films as they do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from pvtt.bench.axes import METRICS, BenchMetric
from pvtt.bench.votes import Films, compared, contests, vote_store
from pvtt.ratings.vote_summary import TOO_FEW, counted_votes, result, summarise_votes
from pvtt.records.bench import BenchRun
from pvtt.records.votes import Figure, MetricVotes, VoteSummary
from pvtt.stats.rank_correlation import pair_kendall

MIN_RANKED = 3  # contenders, for a rank correlation over them

Scores = Mapping[tuple[str, str], Mapping[str, float | None]]  # (contender, triplet) → metric → value


def summarise_people(folder: Path, run: BenchRun, films: Films, scores: Scores) -> VoteSummary:
    """The votes on a run, with every metric's rank correlation.

    Args:
        folder: The run's.
        run: Its record.
        films: The records of its films.
        scores: The figures of its films.

    Raises:
        PvttError: A line of a rater's file is not a vote.
        StorageError: A file could not be read.
    """
    votes = list(vote_store(folder).latest().values())
    samples, contenders = contests(folder, run, films), compared(run)
    summary = summarise_votes(votes, samples, contenders)
    if summary.reason:
        return summary
    net: dict[tuple[str, tuple[str, str]], int] = defaultdict(int)
    for vote in counted_votes(votes, samples, contenders):
        net[vote.item, vote.pair] += result(vote)
    products = {sample.item: sample.product_id for sample in samples}
    metrics = [_metric(metric, net, products, summary, run, scores) for metric in METRICS]
    return summary.model_copy(update={"metrics": tuple(metrics)})


def _metric(
    metric: BenchMetric,
    net: Mapping[tuple[str, tuple[str, str]], int],
    products: Mapping[str, str],
    summary: VoteSummary,
    run: BenchRun,
    scores: Scores,
) -> MetricVotes:
    sign = -1 if metric.better == "↓" else 1
    differences, votes, clusters = [], [], []
    for (item, (first, second)), count in net.items():
        values = [scores[contender, item].get(metric.name) for contender in (first, second)]
        if values[0] is not None and values[1] is not None:
            differences.append(sign * (values[0] - values[1]))
            votes.append(count)
            clusters.append(products[item])
    strengths = {one.contender: one.strength.value for one in summary.contenders if one.strength.value is not None}
    means = {}
    for contender in strengths:
        own = [scores[contender, triplet.name].get(metric.name) for triplet in run.triplets]
        known = [value for value in own if value is not None]
        if known:
            means[contender] = sign * fmean(known)
    return MetricVotes(
        metric=metric.name,
        kendall=_kendall(differences, votes, clusters),
        spearman=_spearman([means[one] for one in means], [strengths[one] for one in means]),
    )


def _kendall(differences: Sequence[float], votes: Sequence[int], clusters: Sequence[str]) -> Figure:
    if not differences:
        return Figure(reason="no figures")
    found = pair_kendall(differences, votes, clusters)
    if found is None:
        who = "people vote" if any(differences) else "the metric is"
        return Figure(n=len(votes), reason=f"{who} the same for both films of every pair")
    value, low, high = found
    return Figure(value=value, low=low, high=high, n=len(votes), reason=TOO_FEW if low is None else "")


def _spearman(means: Sequence[float], strengths: Sequence[float]) -> Figure:
    from scipy.stats import spearmanr

    if not means:
        return Figure(reason="no figures")
    if len(means) < MIN_RANKED:
        return Figure(n=len(means), reason=f"needs {MIN_RANKED} contenders")
    if len(set(means)) == 1 or len(set(strengths)) == 1:
        return Figure(n=len(means), reason="all contenders are equal")
    return Figure(value=float(spearmanr(means, strengths).statistic), n=len(means))
