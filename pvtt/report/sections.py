"""What each section of the report shows, as plain records. The templates lay them out; no markup is made here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pvtt.decision.text import format_number
from pvtt.evaluation.contenders.all import measured_routes
from pvtt.evaluation.metrics.metric import Metric
from pvtt.records.catalog import Reject
from pvtt.records.dataset import SPLITS, Split
from pvtt.records.decision import Criterion, Decision
from pvtt.records.evaluation import EvaluatedSample, EvaluationMetrics, Fingerprint, MetricValue, RouteRecord
from pvtt.records.parts import Part
from pvtt.report.collect import ReportInputs
from pvtt.report.glossary import groups, meanings
from pvtt.report.media import NOT_SHOWN, photo_uri, video_uri

VERDICTS = {
    "success": "Success",
    "overfit": "Overfit",
    "conditioning": "Photos matter too little",
    "capacity": "Too little capacity",
    "diverged": "Diverged",
    "flicker": "Flicker",
    "incomplete": "Incomplete",
}
NOTES: dict[Part, str] = {
    "transfer": "another test product in the template's place, and what its film would be",
    "test": "products never seen in training",
    "val": "held out",
    "train": "seen in training",
}
CHIPS = (
    ("product_psnr", "product PSNR", " dB"),
    ("swap_gain", "over swapped", " dB"),
    ("product_delta_e", "ΔE", ""),
    ("relative_flow_warp_error", "flicker", " ×"),
)
STANDARD_VIDEOS = (
    "generated",
    "ground_truth",
    "masked",
    "mask",
    "swapped",
    "template",
    "mean_fill",
    "untrained",
)  # the others are routes'
WORST_COLUMNS = ("product_psnr", "product_psnr_swapped", "product_delta_e", "relative_flow_warp_error", "identity_top1")
NUM_WORST = 3
NUM_PHOTOS = 4
NUM_EXAMPLES = 3  # rejects shown a reason
GAUGE_LEFT, GAUGE_LENGTH = 8, 104  # of a gauge that is 120 units wide


@dataclass(frozen=True)
class Gauge:
    """A criterion's value, interval and target as places on a line 120 units wide."""

    value: float
    low: float
    high: float
    target: float


@dataclass(frozen=True)
class DecisionSection:
    """The decision, each criterion with its gauge; None where it has no value."""

    decision: Decision
    criteria: tuple[tuple[Criterion, Gauge | None], ...]


@dataclass(frozen=True)
class Chip:
    """One of a sample's own metrics, beside its name."""

    label: str
    value: float
    unit: str


@dataclass(frozen=True)
class VideoRow:
    """A sample's videos and photos, as data URIs; `videos` by their names in `EvaluatedSample`, less `NOT_SHOWN`."""

    sample: EvaluatedSample
    videos: Mapping[str, str]
    photos: tuple[str, ...]
    swapped_photo: str | None  # the first photo of the product that the swapped run saw
    chips: tuple[Chip, ...]
    beside: tuple[str, ...]  # names of other contenders' videos


@dataclass(frozen=True)
class PartVideos:
    """The rows of one part."""

    part: Part
    note: str
    rows: tuple[VideoRow, ...]


@dataclass(frozen=True)
class VideosSection:
    """Videos of every part that has some, and how many are left out to keep the page small."""

    parts: tuple[PartVideos, ...]
    num_hidden: int


@dataclass(frozen=True)
class LeakSection:
    """What swapping the photos costs on each split, and the plot of all contenders as SVG."""

    gains: tuple[tuple[Split, MetricValue], ...]
    plot: str


@dataclass(frozen=True)
class MetricRow:
    """A metric: what it means, its target for a reader, and its value in each of a table's columns."""

    meaning: Metric
    target: str
    values: tuple[MetricValue | None, ...]


@dataclass(frozen=True)
class MetricsTable:
    """Metrics in groups of (title, rows), under these columns. `unmeasured` says why there is none."""

    title: str
    columns: tuple[str, ...]
    groups: tuple[tuple[str, tuple[MetricRow, ...]], ...]
    unmeasured: str | None = None


@dataclass(frozen=True)
class MetricsSection:
    """Every metric on every part, a table a track; and of each category what ranks contenders."""

    tracks: tuple[MetricsTable, ...]
    categories: tuple[MetricsTable, ...]
    num_seeds: int  # generations a sample


@dataclass(frozen=True)
class RouteRow:
    """A contender that the run asked for; `unmeasured` has each reason with the parts that it is of."""

    route: RouteRecord
    unmeasured: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class WorstRow:
    """A sample in the table of worst cases. `values` are those of `WorstCasesSection.columns`."""

    sample: EvaluatedSample
    has_videos: bool  # in the page, so that its name can lead to them
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class WorstCasesSection:
    """The test samples by product PSNR, the lowest first."""

    videos: tuple[VideoRow, ...]
    columns: tuple[str, ...]
    rows: tuple[WorstRow, ...]


@dataclass(frozen=True)
class RejectRow:
    """What a stage turned away for one reason."""

    stage: str
    reason: str
    failed: bool
    count: int
    examples: tuple[Reject, ...]


@dataclass(frozen=True)
class MethodSection:
    """How it was measured, as (name, value) facts: scores compare only where they are equal."""

    fingerprint: Fingerprint
    protocol: tuple[tuple[str, str], ...]
    weights: tuple[tuple[str, str], ...]
    certified: tuple[str, ...]


def decision(inputs: ReportInputs) -> DecisionSection:
    """The criteria, the ratings and the next steps."""
    criteria = inputs.decision.criteria
    return DecisionSection(inputs.decision, tuple((criterion, _gauge(criterion)) for criterion in criteria))


def _gauge(criterion: Criterion) -> Gauge | None:
    if criterion.value is None:
        return None
    low = criterion.value if criterion.low is None else criterion.low
    high = criterion.value if criterion.high is None else criterion.high
    least, most = min(low, criterion.value, criterion.target), max(high, criterion.value, criterion.target)
    span = (most - least) or 1.0

    def place(value: float) -> float:
        return round(GAUGE_LEFT + GAUGE_LENGTH * (value - least) / span, 1)

    return Gauge(value=place(criterion.value), low=place(low), high=place(high), target=place(criterion.target))


def videos(inputs: ReportInputs, embedded: set[str]) -> VideosSection:
    """Videos of every part.

    Args:
        inputs: Everything that the report shows.
        embedded: Keys of the samples whose videos stand in the page.
    """
    parts = []
    for part, note in NOTES.items():
        shown = [one for one in inputs.samples if one.part == part and _is_shown(one) and one.key in embedded]
        if shown:
            parts.append(PartVideos(part, note, tuple(_video_row(inputs, sample) for sample in shown)))
    hidden = sum(bool(sample.videos) and sample.key not in embedded for sample in inputs.samples)
    return VideosSection(tuple(parts), hidden)


def _is_shown(sample: EvaluatedSample) -> bool:
    """Whether its videos stand among those of its part, and not only among the worst cases."""
    return sample.to_rate or sample.part == "transfer"


def _video_row(inputs: ReportInputs, sample: EvaluatedSample) -> VideoRow:
    swapped = _photos(inputs, sample.swapped_photo_paths[:1]) if "swapped" in sample.videos else ()
    return VideoRow(
        sample=sample,
        videos={name: video_uri(inputs.videos / path) for name, path in sample.videos.items() if name not in NOT_SHOWN},
        photos=_photos(inputs, sample.photo_paths[:NUM_PHOTOS]),
        swapped_photo=swapped[0] if swapped else None,
        chips=tuple(
            Chip(label, value, unit) for name, label, unit in CHIPS if (value := sample.metrics.get(name)) is not None
        ),
        beside=tuple(name for name in sample.videos if name not in STANDARD_VIDEOS),
    )


def _photos(inputs: ReportInputs, paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(photo_uri(inputs.root / path) for path in paths if (inputs.root / path).is_file())


def leak(inputs: ReportInputs) -> LeakSection:
    """Whether the photos matter."""
    from pvtt.report.plots import plot_contenders

    gains = ((split, inputs.metrics.get(split, "swap_gain")) for split in SPLITS)
    return LeakSection(
        gains=tuple((split, gain) for split, gain in gains if gain is not None),
        plot=plot_contenders(inputs.metrics),
    )


def metrics(inputs: ReportInputs) -> MetricsSection:
    """Every metric on every part."""
    tracks: tuple[tuple[str, tuple[Part, ...]], ...] = (
        ("Reconstruct: the template's own product", SPLITS),
        ("Transfer: another test product in its place", ("transfer",)),
    )
    ranked: tuple[Part, ...] = ("test", "transfer")
    return MetricsSection(
        tracks=tuple(_track_table(inputs.metrics, title, parts) for title, parts in tracks),
        categories=tuple(_category_table(inputs.metrics, part) for part in ranked),
        num_seeds=int(inputs.run.fingerprint.protocol.get("seeds") or 1),
    )


def _track_table(values: EvaluationMetrics, title: str, parts: tuple[Part, ...]) -> MetricsTable:
    unmeasured = next((values.unmeasured[part] for part in parts if part in values.unmeasured), None)
    rows = tuple(
        (
            group,
            tuple(
                _metric_row(score, found)
                for score in scores
                if any(found := tuple(values.get(part, score.name) for part in parts)) or not score.optional
            ),
        )
        for group, scores in groups(parts[0], measured_routes(values)).items()
    )
    return MetricsTable(title, parts, rows, unmeasured)


def _category_table(values: EvaluationMetrics, part: Part) -> MetricsTable:
    of_part = values.categories.get(part, {})
    names = next(iter(of_part.values()), {})
    rows = tuple(
        _metric_row(meanings()[name], tuple(of_category[name] for of_category in of_part.values())) for name in names
    )
    return MetricsTable(part, tuple(of_part), ((part, rows),) if rows else ())


def _metric_row(score: Metric, found: tuple[MetricValue | None, ...]) -> MetricRow:
    target = next((metric.target for metric in found if metric is not None and metric.target is not None), None)
    shown = "" if target is None else format_number(target)
    return MetricRow(score, "chance" if score.target == "chance" else shown, found)


def routes(inputs: ReportInputs) -> tuple[RouteRow, ...]:
    """The contenders that the run asked for beside those of every run."""
    rows = []
    for route in inputs.metrics.routes:
        reasons = dict.fromkeys(route.unmeasured.values())
        parts = {why: [part for part, other in route.unmeasured.items() if other == why] for why in reasons}
        rows.append(RouteRow(route, tuple((", ".join(parts[why]), why) for why in reasons)))
    return tuple(rows)


def worst_cases(inputs: ReportInputs, embedded: set[str]) -> WorstCasesSection:
    """The test samples by product PSNR. Arguments as of `videos`."""
    measured = [one for one in inputs.samples if one.part == "test" and one.metrics.get("product_psnr") is not None]
    ranked = sorted(measured, key=lambda sample: sample.metrics["product_psnr"] or 0)
    # Those to rate are shown above already; their videos stand in the page once.
    shown = [sample for sample in ranked[:NUM_WORST] if sample.key in embedded and not sample.to_rate]
    return WorstCasesSection(
        videos=tuple(_video_row(inputs, sample) for sample in shown),
        columns=tuple(meanings()[name].label for name in WORST_COLUMNS),
        rows=tuple(
            WorstRow(sample, sample.key in embedded, tuple(sample.metrics.get(name) for name in WORST_COLUMNS))
            for sample in ranked
        ),
    )


def training_plot(inputs: ReportInputs) -> str:
    """The loss curves as SVG."""
    from pvtt.report.plots import plot_losses

    return plot_losses(inputs.histories)


def rejects(inputs: ReportInputs) -> tuple[RejectRow, ...]:
    """What the data stages turned away, by reason."""
    counts = Counter((reject.stage, reject.reason, reject.failed) for reject in inputs.rejects)
    return tuple(
        RejectRow(stage, reason, failed, count, _examples(inputs, stage, reason))
        for (stage, reason, failed), count in sorted(counts.items())
    )


def _examples(inputs: ReportInputs, stage: str, reason: str) -> tuple[Reject, ...]:
    matching = [reject for reject in inputs.rejects if (reject.stage, reject.reason) == (stage, reason)]
    return tuple(matching[:NUM_EXAMPLES])


def method(inputs: ReportInputs) -> MethodSection:
    """How it was measured."""
    mark = inputs.run.fingerprint
    return MethodSection(
        fingerprint=mark,
        protocol=(
            ("dataset", mark.dataset_sha256[:12]),
            ("base", mark.base_sha256[:12]),
            *((name, "–" if value is None else str(value)) for name, value in mark.protocol.items()),
        ),
        weights=tuple((name, value[:12] if value else "missing: not measured") for name, value in mark.weights.items()),
        certified=inputs.run.certified,
    )
