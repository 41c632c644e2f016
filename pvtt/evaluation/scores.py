"""Every score of an evaluation: the metrics of the model's output, and of the other contenders beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pvtt.errors import PvttError
from pvtt.evaluation.contenders.all import others
from pvtt.evaluation.contenders.contender import Contender
from pvtt.evaluation.metrics.all import METRICS
from pvtt.evaluation.metrics.metric import Metric
from pvtt.records.parts import Part

GROUND_TRUTH = "ground_truth"
LEAD = "product_psnr"  # the metric whose difference is the model's lead over a contender


def all_scores(part: Part | None = None, routes: Sequence[Contender] = ()) -> tuple[Metric, ...]:
    """All of them, in the order of `metrics/evaluate.json`: the names, and what each says and is held against.

    Args:
        part: Only what is measured there.
        routes: Contenders beside those of every run.
    """
    own = [score for metric in METRICS for score in _of_the_model(metric)]
    beside_it = others(routes)
    leads = [_lead(contender) for contender in beside_it]
    beside = [
        of_contender(metric, contender) for metric in METRICS for contender in beside_it if _is_of(metric, contender)
    ]
    track = "transfer" if part == "transfer" else "reconstruct"
    return tuple(score for score in (*own, *leads, *beside) if part is None or score.of_track in (None, track))


def require_own_names(routes: Sequence[Contender]) -> None:
    """Refuse routes whose figures would have the names of other figures.

    Raises:
        PvttError: Names the route.
    """
    known = Counter(score.name for score in all_scores(routes=routes))
    for route in routes:
        own = {route.gain, *(of_contender(metric, route).name for metric in METRICS if metric.of_contenders)}
        if not route.name or any(known[name] > 1 for name in own):
            raise PvttError(
                f"evaluate.routes: the name {route.name!r} is taken", "give the folder of these films another name"
            )


def _is_of(metric: Metric, contender: Contender) -> bool:
    return metric.of_contenders or contender.name in metric.beside


def _of_the_model(metric: Metric) -> Iterator[Metric]:
    yield metric
    if metric.of_truth is not None:
        yield replace(
            metric,
            name=f"{metric.name}_{GROUND_TRUTH}",
            label=f"{metric.label}, ground truth",
            says=metric.of_truth,
            better="",
            subject=GROUND_TRUTH,
            target=None,
        )


def of_contender(metric: Metric, contender: Contender) -> Metric:
    """The same metric, of another contender's video."""
    return replace(
        metric,
        name=f"{metric.name}_{contender.name}",
        label=f"{metric.label}, {contender.label}",
        says=contender.says,
        group="The other contenders",
        better="",
        subject=contender.name,
        optional=contender.optional,
        target=None,
    )


def _lead(contender: Contender) -> Metric:
    return Metric(
        name=contender.gain,
        label=f"lead over {contender.label}",
        says=contender.says,
        group="The model's lead over other contenders",
        unit="dB",
        better="↑",
        difference=(LEAD, f"{LEAD}_{contender.name}"),
        optional=contender.optional,
        target="zero" if contender.must_be_beaten else None,
    )
