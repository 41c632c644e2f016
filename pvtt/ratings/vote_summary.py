"""A run's votes → strengths, win rates, and how far raters are to be believed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from pvtt.ratings.agreement import krippendorff_alpha
from pvtt.ratings.pairs import TRUTH, Contest
from pvtt.records.votes import ContenderVotes, Figure, PairVotes, RaterVotes, Vote, VoteSummary
from pvtt.stats.bootstrap import MIN_CLUSTERS, cluster_mean, cluster_share
from pvtt.stats.bradley_terry import Duel, Strength, bradley_terry, connected

MIN_TRUTHS = 3  # pairs with the true film before a rater is judged by them
TOO_FEW = "too few products for an interval"


def summarise_votes(
    votes: Iterable[Vote], contests: Sequence[Contest], contenders: Sequence[str], seed: int = 0
) -> VoteSummary:
    """What the votes come to, without metrics.

    A rater who prefers the true film in no more than half of at least `MIN_TRUTHS` pairs does not count: it was no look
    at the films. Neither do votes on films that are no longer the run's, skipped pairs, and, in the figures, pairs that
    are shown to judge raters by.

    Args:
        votes: The last vote on each showing.
        contests: The run's samples, with everyone's films.
        contenders: Who is compared, in the order of the tables.
        seed: Of the bootstrap.
    """
    given = list(votes)
    known = _known(given, contests, contenders)
    raters = judged_raters(known)
    counted = counted_votes(known, contests, contenders)
    summary = VoteSummary(num_outdated=len(given) - len(known), raters=tuple(raters))
    if not counted:
        return summary.model_copy(update={"reason": _why_none(given, known, raters)})
    products = {contest.item: contest.product_id for contest in contests}
    duels = [_duel(vote, products[vote.item]) for vote in counted]
    group = connected(duels, contenders)
    strengths = bradley_terry(duels, group, seed=seed)
    of_pairs: dict[tuple[str, tuple[str, str]], list[int]] = defaultdict(list)
    for vote in counted:
        of_pairs[vote.item, vote.pair].append(result(vote))
    # Which contender of a pair is named first is nothing to agree upon, so each pair counts both ways round.
    units = [[sign * value for value in values] for values in of_pairs.values() for sign in (1, -1)]
    return summary.model_copy(
        update={
            "num_votes": len(counted),
            "num_raters": len({vote.rater for vote in counted}),
            "num_pairs": len(of_pairs),
            "num_items": len({vote.item for vote in counted}),
            "agreement": krippendorff_alpha(units),
            "contenders": tuple(_contender(one, duels, strengths.get(one), seed) for one in contenders),
            "pairs": tuple(_pair_votes(counted)),
        }
    )


def counted_votes(votes: Iterable[Vote], contests: Sequence[Contest], contenders: Sequence[str]) -> list[Vote]:
    """Those that figures are made of: on the run's films, of raters who count, once each, and without checks."""
    known = _known(votes, contests, contenders)
    believed = {rater.rater for rater in judged_raters(known) if rater.counts}
    return [vote for vote in known if vote.rater in believed and _is_plain(vote) and vote.choice != "skip"]


def judged_raters(votes: Sequence[Vote]) -> list[RaterVotes]:
    """Each rater's share of repeated pairs with the same vote, and of true films preferred."""
    found = []
    for rater in sorted({vote.rater for vote in votes}):
        own = [vote for vote in votes if vote.rater == rater]
        first = {(vote.item, vote.pair): vote.winner for vote in own if _is_plain(vote) and vote.choice != "skip"}
        same = [
            vote.winner == first[vote.item, vote.pair]
            for vote in own
            if vote.again and vote.choice != "skip" and (vote.item, vote.pair) in first
        ]
        truths = [
            0.5 if vote.winner is None else float(vote.winner == TRUTH)
            for vote in own
            if TRUTH in vote.pair and vote.choice != "skip"
        ]
        found.append(
            RaterVotes(
                rater=rater,
                num_votes=len(first),
                num_skipped=sum(vote.choice == "skip" for vote in own),
                num_repeated=len(same),
                consistency=fmean(same) if same else None,
                num_truths=len(truths),
                truth_rate=fmean(truths) if truths else None,
                counts=len(truths) < MIN_TRUTHS or fmean(truths) > 0.5,
            )
        )
    return found


def result(vote: Vote) -> int:
    """1 where the first of `vote.pair` is better, -1 where the second is, 0 where they are equal."""
    return 0 if vote.winner is None else 1 if vote.winner == vote.pair[0] else -1


def _is_plain(vote: Vote) -> bool:
    return not vote.again and TRUTH not in vote.pair


def _known(votes: Iterable[Vote], contests: Sequence[Contest], contenders: Sequence[str]) -> list[Vote]:
    """Those on films that are the run's."""
    hashes = {
        (contest.item, name): film.sha256
        for contest in contests
        for name, film in contest.films.items()
        if name in (*contenders, TRUTH)
    }
    return [
        vote
        for vote in votes
        if hashes.get((vote.item, vote.left)) == vote.left_sha256
        and hashes.get((vote.item, vote.right)) == vote.right_sha256
    ]


def _why_none(given: Sequence[Vote], known: Sequence[Vote], raters: Sequence[RaterVotes]) -> str:
    if not given:
        return "nobody has voted"
    if not known:
        return "all votes are on films that were made anew since"
    if any(rater.num_votes for rater in raters):
        return "no rater counts: none prefers the true films"
    return "nobody has voted on two contenders but to skip them"


def _duel(vote: Vote, product: str) -> Duel:
    return Duel(*vote.pair, result(vote), product)


def _contender(contender: str, duels: Sequence[Duel], strength: Strength | None, seed: int) -> ContenderVotes:
    own = [duel for duel in duels if contender in (duel.first, duel.second)]
    shares = [(1 + duel.result * (1 if duel.first == contender else -1)) / 2 for duel in own]
    if not own:
        nothing = Figure(reason="no votes")
        return ContenderVotes(contender=contender, num_votes=0, strength=nothing, win_rate=nothing)
    force = Figure(n=len(own), reason="no votes lead to the other contenders")
    if strength is not None:
        reason = TOO_FEW if strength.low is None else ""
        force = Figure(value=strength.value, low=strength.low, high=strength.high, n=len(own), reason=reason)
    return ContenderVotes(
        contender=contender,
        num_votes=len(own),
        strength=force,
        win_rate=_share(shares, [duel.cluster for duel in own], seed),
    )


def _share(shares: Sequence[float], products: Sequence[str], seed: int) -> Figure:
    if len(set(products)) < MIN_CLUSTERS:
        return Figure(value=fmean(shares), n=len(shares), reason=TOO_FEW)
    if 0.5 in shares:
        estimate = cluster_mean(shares, products, seed=seed)
        low, high = max(0.0, estimate.low), min(1.0, estimate.high)
    else:
        estimate = cluster_share(shares, products)
        low, high = estimate.low, estimate.high
    return Figure(value=estimate.value, low=low, high=high, n=len(shares))


def _pair_votes(votes: Sequence[Vote]) -> list[PairVotes]:
    results: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for vote in votes:
        results[vote.pair][result(vote)] += 1
    return [
        PairVotes(first=first, second=second, first_wins=found[1], second_wins=found[-1], equal=found[0])
        for (first, second), found in sorted(results.items())
    ]
