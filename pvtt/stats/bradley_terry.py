"""Strengths of contenders from votes on pairs, with ties: the model of Davidson, an extension of Bradley and Terry's.

A contender i has a strength s_i, in log odds. Between i and j, with a tie parameter v,

    P(i wins) : P(j wins) : P(tie) = exp(s_i) : exp(s_j) : v exp((s_i + s_j) / 2)

(Davidson, *JASA* 65, 1970). Counting ties as half wins instead would draw strengths together where ties are many. The
fit is the most likely one under a weak prior, s_i ~ N(0, 3²) and log v ~ N(0, 3²), without which a contender that wins
every vote would be infinitely strong. The prior also makes the strengths' mean 0, since only differences matter.

Intervals resample whole clusters, such as products (`pvtt.stats.bootstrap`), and are never narrower than the model's
own (of Laplace) for as many independent votes: where all votes are alike, so are all resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pvtt.stats.bootstrap import LEVEL, MIN_CLUSTERS, widened

Floats = npt.NDArray[np.float64]

PRIOR_SD = 3.0
STEPS = 50  # of Newton's method, at most
LONGEST = 2.0  # step of any parameter at once
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Duel:
    """One vote.

    Args:
        first: A contender.
        second: Another one.
        result: 1 where the first wins, -1 where the second does, 0 for a tie.
        cluster: Whose votes hang together, for example a product's id.
    """

    first: str
    second: str
    result: int
    cluster: str


@dataclass(frozen=True)
class Strength:
    """A contender's strength in log odds, with its 95 % interval; without one where there are too few clusters."""

    value: float
    low: float | None
    high: float | None


def connected(duels: Sequence[Duel], contenders: Sequence[str]) -> list[str]:
    """The largest group of contenders that votes lead between, in order; the first of equally large ones.

    Across groups nothing was compared, so strengths mean nothing. Empty without votes.
    """
    neighbours: dict[str, set[str]] = {contender: set() for contender in contenders}
    for duel in duels:
        neighbours[duel.first].add(duel.second)
        neighbours[duel.second].add(duel.first)
    best: set[str] = set()
    for start in contenders:
        group, found = {start}, [start]
        while found:
            new = neighbours[found.pop()] - group
            group |= new
            found += new
        if len(group) > max(1, len(best)):
            best = group
    return [contender for contender in contenders if contender in best]


def bradley_terry(
    duels: Sequence[Duel], contenders: Sequence[str], *, resamples: int = 2000, seed: int = 0
) -> dict[str, Strength]:
    """The strengths of contenders between all of which votes lead (`connected`).

    Args:
        duels: At least one; those with other contenders are left out.
        contenders: K of them, at least two.
        resamples: Number of bootstrap resamples.
        seed: Of the resampling; equal inputs and seed give equal intervals.

    Raises:
        ValueError: There are no votes between these contenders.
    """
    from scipy.stats import norm

    places = {contender: place for place, contender in enumerate(contenders)}
    known = [duel for duel in duels if duel.first in places and duel.second in places]
    if not known:
        raise ValueError("no votes between these contenders: need at least 1")
    counts, features = _counts(known, places)  # (P, M, 3), (M, 3, D)
    fit, covariance = _fit(counts.sum(axis=0)[None], features)
    values = fit[0]
    if len(counts) < MIN_CLUSTERS:
        return {name: Strength(float(values[place]), None, None) for name, place in places.items()}
    drawn = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
    draws, _ = _fit(np.einsum("bp,pmo->bmo", drawn.astype(np.float64), counts), features)
    size = len(contenders)
    centring = np.eye(size) - 1 / size  # what votes tell nothing of, the strengths' mean, is no uncertainty
    own = -norm.ppf((1 - LEVEL) / 2) * np.sqrt(np.diagonal(centring @ covariance[0, :size, :size] @ centring))
    found = {}
    for name, place in places.items():
        value = float(values[place])
        low, high = widened(draws[:, place], value, len(counts))
        found[name] = Strength(value, min(low, value - float(own[place])), max(high, value + float(own[place])))
    return found


def _counts(duels: Sequence[Duel], places: dict[str, int]) -> tuple[Floats, Floats]:
    """Of each cluster and pair how often the first won, the second won and neither did, and the model's features.

    Returns:
        (P, M, 3) counts, and (M, 3, K + 1): the logarithm of an outcome's weight is its features times the parameters,
        which are K strengths and log v.
    """
    pairs = sorted({_pair(duel, places) for duel in duels})
    clusters = sorted({duel.cluster for duel in duels})
    numbers = (
        {pair: number for number, pair in enumerate(pairs)},
        {name: number for number, name in enumerate(clusters)},
    )
    counts = np.zeros((len(clusters), len(pairs), 3))
    for duel in duels:
        pair = _pair(duel, places)
        result = duel.result if pair[0] == places[duel.first] else -duel.result
        counts[numbers[1][duel.cluster], numbers[0][pair], {1: 0, -1: 1, 0: 2}[result]] += 1
    features = np.zeros((len(pairs), 3, len(places) + 1))
    for number, (first, second) in enumerate(pairs):
        features[number, 0, first] = features[number, 1, second] = 1
        features[number, 2, [first, second, -1]] = 0.5, 0.5, 1
    return counts, features


def _pair(duel: Duel, places: dict[str, int]) -> tuple[int, int]:
    first, second = sorted((places[duel.first], places[duel.second]))
    return first, second


def _fit(counts: Floats, features: Floats) -> tuple[Floats, Floats]:
    """The most likely parameters, (B, D), of each of the (B, M, 3) counts, and their covariances, (B, D, D).

    The logarithm of the likelihood is concave, as that of any logit model: Newton's method finds its top.
    """
    size = features.shape[2]
    parameters = np.zeros((len(counts), size))
    outer = np.einsum("mod,moe->mode", features, features)
    totals = counts.sum(axis=2)  # (B, M)
    for _ in range(STEPS):
        shares = _shares(parameters, features)
        gradient = np.einsum("bmo,mod->bd", counts - totals[..., None] * shares, features)
        gradient -= parameters / PRIOR_SD**2
        step = np.linalg.solve(_precision(shares, totals, features, outer), gradient[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        parameters += step * np.minimum(1, LONGEST / np.maximum(longest, TOLERANCE))
        if longest.max() < TOLERANCE:
            break
    precision = _precision(_shares(parameters, features), totals, features, outer)
    return parameters, np.asarray(np.linalg.inv(precision), dtype=np.float64)


def _shares(parameters: Floats, features: Floats) -> Floats:
    """Of each outcome, (B, M, 3)."""
    logits = np.einsum("mod,bd->bmo", features, parameters)
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    return np.asarray(weights / weights.sum(axis=2, keepdims=True))


def _precision(shares: Floats, totals: Floats, features: Floats, outer: Floats) -> Floats:
    """Minus the second derivative, (B, D, D)."""
    means = np.einsum("bmo,mod->bmd", shares, features)
    second = np.einsum("bm,bmo,mode->bde", totals, shares, outer, optimize=True)
    second -= np.einsum("bm,bmd,bme->bde", totals, means, means, optimize=True)
    return np.asarray(second + np.eye(features.shape[2]) / PRIOR_SD**2)
