"""Is the candidate a step forward? It and the champion, paired on the samples that both were measured on.

The champion is the model whose promotion is in force. Its figures are its own of then, where it was measured by the
same evaluator in the same way, on samples of the same bytes; or those of this very evaluation, where training continued
it (`train.start: champion`) and it stands among the contenders. Figures of two evaluators are never compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvtt.params.promote import PromoteParams
from pvtt.records.evaluation import EvaluatedSample, EvaluationRun
from pvtt.records.parts import Part
from pvtt.records.promotion import ComparedFigure, Comparison, PromotedSample, Promotion
from pvtt.stats.bootstrap import MIN_CLUSTERS
from pvtt.stats.digits import apart
from pvtt.stats.two_level import Measurement, paired_difference

if TYPE_CHECKING:
    from pvtt.evaluation.metrics.metric import Metric
    from pvtt.evaluation.samples import Chosen

DECIDES = "product_psnr"
PARTS: tuple[Part, ...] = ("test", "transfer")
MODEL_FREE = ("dataset_sha256", "base_sha256")  # of a fingerprint: samples are compared one by one, bases may differ

Place = tuple[Part, str]


def promoted_samples(samples: Sequence[EvaluatedSample], chosen: Sequence[Chosen]) -> list[PromotedSample]:
    """What is kept of an evaluation for those that come after.

    Args:
        samples: All that were evaluated.
        chosen: The same, as they were to be.
    """
    from pvtt.evaluation.scores import GROUND_TRUTH, all_scores

    names = [s.name for s in all_scores() if s.subject in (None, GROUND_TRUTH) and s.difference is None]
    inputs = {(one.part, one.entry.key): _inputs(one) for one in chosen}
    return [
        PromotedSample(
            product_id=one.product_id,
            clip_id=one.clip_id,
            part=one.part,
            category=one.category,
            inputs_sha256=inputs[one.part, one.key],
            metrics={name: one.metrics[name] for name in names if name in one.metrics},
        )
        for one in samples
    ]


def _inputs(one: Chosen) -> str:
    from pvtt.files.hashing import sha256_json

    entry, template = one.entry, one.entry.template
    of_template = [] if template is None else [template.clip_sha256, template.mask_sha256]
    return sha256_json([entry.clip_sha256, entry.mask_sha256, *entry.photo_sha256s, *of_template])


def compare(
    champion: Promotion | None,
    then: Sequence[PromotedSample],
    run: EvaluationRun,
    now: Sequence[PromotedSample],
    samples: Sequence[EvaluatedSample],
    params: PromoteParams,
) -> Comparison:
    """Hold the candidate against the champion.

    Args:
        champion: Its promotion; None: none is in force, and there is nothing to beat.
        then: What it reached, from its promotion.
        run: The candidate's evaluation.
        now: What the candidate reached.
        samples: The candidate's samples, with the figures of all contenders.
        params: What is asked.
    """
    if champion is None:
        return Comparison(champion=None, says="no earlier promotion is in force: there is no champion to beat")
    if run.model_sha256 == champion.run.model_sha256:
        return _none(champion, f"the evaluated model is the champion itself, of promotion {champion.number}")
    beside = _beside(samples, now) if run.champion_sha256 == champion.transformer_sha256 else []
    pairs, says = beside, "both were measured in this evaluation"
    if not pairs:
        differing = _differing(run, champion.run)
        if differing:
            return _none(
                champion,
                f"the champion was measured in another way ({', '.join(differing)}): continue it with train.start: "
                "champion, which measures both, or evaluate it again",
            )
        by_place = {_place(one): one for one in then}
        pairs = [
            (one, by_place[_place(one)])
            for one in now
            if _place(one) in by_place and by_place[_place(one)].inputs_sha256 == one.inputs_sha256
        ]
        says = "the champion's figures are those of its promotion, by the same evaluator on the same samples"
    figures = tuple(_figures(pairs))
    return Comparison(champion=champion.number, says=says, figures=figures, faults=tuple(_faults(figures, params)))


def _none(champion: Promotion, why: str) -> Comparison:
    return Comparison(champion=champion.number, says=why, faults=(why,))


def _place(one: PromotedSample) -> Place:
    return one.part, one.key


def _differing(one: EvaluationRun, other: EvaluationRun) -> list[str]:
    """What of two evaluations is not the same, though their scores depend on it."""
    mine, theirs = (run.fingerprint.model_dump(exclude=set(MODEL_FREE)) for run in (one, other))
    return [name for name, value in mine.items() if value != theirs[name]]


def _beside(
    samples: Sequence[EvaluatedSample], now: Sequence[PromotedSample]
) -> list[tuple[PromotedSample, PromotedSample]]:
    """Candidate and champion as this evaluation measured them."""
    from pvtt.evaluation.contenders.model import CHAMPION

    whole = {(sample.part, sample.key): sample.metrics for sample in samples}
    found = []
    for one in now:
        metrics = whole[_place(one)]
        theirs = {name: metrics.get(f"{name}_{CHAMPION.name}", value) for name, value in one.metrics.items()}
        if metrics.get(f"{DECIDES}_{CHAMPION.name}") is not None:
            found.append((one, one.model_copy(update={"metrics": theirs})))
    return found


def _figures(pairs: Sequence[tuple[PromotedSample, PromotedSample]]) -> list[ComparedFigure]:
    from pvtt.evaluation.metrics.all import METRICS

    found = []
    for metric in (one for one in METRICS if one.ranks):
        for part in PARTS:
            of_part = [pair for pair in pairs if pair[0].part == part]
            categories = sorted({one.category for one, _ in of_part}) if metric.name == DECIDES else []
            for category in (None, *categories):
                of_category = [pair for pair in of_part if category in (None, pair[0].category)]
                figure = _figure(metric, part, category, of_category)
                found += [] if figure is None else [figure]
    return found


def _figure(
    metric: Metric, part: Part, category: str | None, pairs: Sequence[tuple[PromotedSample, PromotedSample]]
) -> ComparedFigure | None:
    """The lead, None where no sample has both."""
    pairs = [pair for pair in pairs if all(one.metrics.get(metric.name) is not None for one in pair)]
    if not pairs:
        return None
    rows = [[_measurement(metric, sample) for sample in row] for row in zip(*pairs, strict=True)]
    sign = -1 if metric.better == "↓" else 1
    products = {one.product_id for one, _ in pairs}
    counts = {"num_samples": len(pairs), "num_products": len(products)}
    estimate = paired_difference(rows[0], rows[1])
    if estimate is None or len(products) < MIN_CLUSTERS:
        lead = _mean(rows[0]) - _mean(rows[1])
        return ComparedFigure(
            metric=metric.name, part=part, category=category, lead=sign * lead, low=None, high=None, **counts
        )
    low, high = sorted((sign * estimate.low, sign * estimate.high))
    return ComparedFigure(
        metric=metric.name, part=part, category=category, lead=sign * estimate.value, low=low, high=high, **counts
    )


def _measurement(metric: Metric, sample: PromotedSample) -> Measurement:
    value = sample.metrics[metric.name]
    assert value is not None
    weight = 1.0 if metric.weight is None else metric.weight(sample.metrics)
    return Measurement(0, sample.product_id, sample.key, value, weight)


def _mean(row: Sequence[Measurement]) -> float:
    return sum(one.value * one.weight for one in row) / sum(one.weight for one in row)


def _faults(figures: Sequence[ComparedFigure], params: PromoteParams) -> list[str]:
    of_psnr = [figure for figure in figures if figure.metric == DECIDES]
    decisive = next((one for one in of_psnr if one.part == params.part and one.category is None), None)
    if decisive is None or decisive.low is None:
        return [f"candidate and champion share too few samples of {params.part} to compare them"]
    faults = []
    if decisive.low <= 0 or decisive.lead < params.min_lead:
        faults.append(
            f"its lead over the champion is no step forward: {_shown(decisive, params.min_lead)}, asked are "
            f"{params.min_lead:g} dB and "
            "an interval above 0 (promote.min_lead)"
        )
    faults += [
        f"it falls behind the champion on {_where(one)} by {apart(-one.lead, params.margin, 2)[0]} dB, more than "
        f"promote.margin, {params.margin:g} dB"
        for one in of_psnr
        if one.lead < -params.margin
    ]
    return faults


def _where(figure: ComparedFigure) -> str:
    return figure.part if figure.category is None else f"{figure.category} of {figure.part}"


def _shown(figure: ComparedFigure, asked: float = 0.0) -> str:
    interval = "" if figure.low is None or figure.high is None else f" [{figure.low:.2g}, {figure.high:.2g}]"
    lead = apart(figure.lead, asked, 2)[0]
    return f"{_where(figure)} {'' if lead.startswith('-') else '+'}{lead}{interval}"


def describe_comparison(comparison: Comparison) -> str:
    """The comparison as lines for a person; leads are positive where the candidate is better."""
    if comparison.champion is None or not comparison.figures:
        return comparison.says
    by_metric: dict[str, list[str]] = {}
    for figure in comparison.figures:
        by_metric.setdefault(figure.metric, []).append(_shown(figure))
    lines = [f"against the champion, promotion {comparison.champion} ({comparison.says}):"]
    lines += [f"  {metric}: {'; '.join(shown)}" for metric, shown in by_metric.items()]
    return "\n".join(lines)
