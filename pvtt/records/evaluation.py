"""What an evaluation measured: `metrics/evaluate.json` and the records beside the videos in `outs/evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pvtt.files.atomic import atomic_write_text
from pvtt.records.base import Record, read_output, read_output_jsonl
from pvtt.records.catalog import ProductId, Sha256
from pvtt.records.clips import ClipRecord
from pvtt.records.dataset import Split, Track
from pvtt.records.parts import PARTS, Part

EVALUATED_FILE = "evaluated.jsonl"  # in outs/evaluate: an `EvaluatedSample` a line

EvaluationRunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
# What has figures of its own: each split of the track *reconstruct*, and the track *transfer*, all of test products.
MetricStatus = Literal["pass", "fail", "measured", "not_measured", "too_few"]


class MetricValue(Record):
    """One metric on one part.

    `seed_noise` is the standard deviation that another seed gives one sample's figure, pooled over the samples.
    `value`, `low` and `high` are None where the status is `not_measured` (its network is missing, or it is not defined
    for these samples) or `too_few`. `measured` is the status of a metric without a target.
    """

    value: float | None
    low: float | None  # 95 % bootstrap interval over products
    high: float | None
    n: int = Field(ge=0)  # samples
    seed_noise: float | None = Field(default=None, ge=0)  # of one sample, between its generations; None: there is one
    chance: float | None = None  # what guessing reaches
    target: float | None = None
    status: MetricStatus


class FilmSource(Record):
    """Where films come from that were made elsewhere: a line of their folder's sheet, and how many films it is of."""

    source: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    num_films: int = Field(ge=0)


class RouteRecord(Record):
    """A contender that `evaluate.routes` asked for: what it was, and where and why it was not measured."""

    name: str
    says: str
    must_be_beaten: bool
    sha256: Sha256 | None  # of the folder that it was made from
    unmeasured: dict[Part, str]
    faults: tuple[str, ...]  # of the films that it was given, one by one
    sources: tuple[FilmSource, ...]


class EvaluationMetrics(Record):
    """`metrics/evaluate.json`: the evaluation's run, and part → metric → value.

    `categories` has the metrics that rank contenders once more for each product category: part → category → metric →
    value. `unmeasured` says why a part has no samples. `routes` are the contenders that were asked for beside those of
    every run.
    """

    run_id: EvaluationRunId
    train: dict[str, MetricValue]
    val: dict[str, MetricValue]
    test: dict[str, MetricValue]
    transfer: dict[str, MetricValue]
    categories: dict[Part, dict[str, dict[str, MetricValue]]]
    unmeasured: dict[Part, str]
    routes: tuple[RouteRecord, ...] = ()

    def get(self, part: Part, metric: str) -> MetricValue | None:
        """A metric's value on a part; None where the evaluation doesn't have it."""
        return self.of_part(part).get(metric)

    def of_part(self, part: Part) -> dict[str, MetricValue]:
        """All metrics of a part."""
        return {"train": self.train, "val": self.val, "test": self.test, "transfer": self.transfer}[part]


class Fingerprint(Record):
    """What a score depends on besides the model: two scores compare only where these are equal."""

    versions: dict[str, str]  # library → version
    device: str
    num_threads: int
    dataset_sha256: Sha256  # of the evaluated clips, masks, photos and encoded samples
    base_sha256: Sha256  # of the base's transformer, which the untrained contender is
    protocol: dict[str, str | int | float | None]  # the evaluation's own settings and definitions
    weights: dict[str, Sha256 | None]  # measuring network → hash of its weights; None: missing
    evaluator: str  # hash of the source of all that runs in an evaluation


class EvaluationRun(Record):
    """`outs/evaluate/run.json`: which model was evaluated on which data, and how."""

    schema_version: Literal[1] = 1
    run_id: EvaluationRunId
    model: str  # relative to the workspace
    model_sha256: Sha256
    champion_sha256: Sha256 | None = None  # of the transformer that training continued; None: it started from the base
    seed: int
    fingerprint: Fingerprint
    certified: tuple[str, ...]  # the evaluator's own checks that passed


class EvaluatedSample(ClipRecord):
    """One line of `outs/evaluate/evaluated.jsonl`: a sample's own metrics, and its videos where they were saved.

    Paths in `videos` are relative to `outs/evaluate`; `photo_paths` to the workspace.
    """

    schema_version: Literal[1] = 1
    split: Split
    track: Track = "reconstruct"
    template_product_id: ProductId | None = None  # in a transfer, the product whose place it takes
    category: str
    caption: str
    swapped_product_id: ProductId | None  # whose photos the swapped run saw
    photo_paths: tuple[str, ...]
    swapped_photo_paths: tuple[str, ...] = ()
    to_rate: bool = False  # its video is among those that people rate
    # generated, ground_truth, masked, mask, swapped; template and untrained in a transfer; routes, and paste
    videos: dict[str, str]
    metrics: dict[str, float | None]  # the mean over generations; None: not measured on this sample
    # Each generation's own, where there are several; the videos are the first's.
    generations: tuple[dict[str, float | None], ...] = ()

    @property
    def part(self) -> Part:
        return self.split if self.track == "reconstruct" else self.track


def read_evaluated(folder: Path) -> list[EvaluatedSample]:
    """The samples in the evaluate stage's output directory.

    Raises:
        MissingInputError: The stage has not run.
        PvttError: A line is no `EvaluatedSample`.
    """
    return read_output_jsonl(folder / EVALUATED_FILE, EvaluatedSample, "evaluate")


def write_metrics(path: Path, metrics: EvaluationMetrics) -> None:
    """Write `metrics/evaluate.json` atomically; what a value, or the run, does not have is left out."""
    data = json.loads(metrics.to_json())
    if not data["routes"]:
        del data["routes"]
    by_category = [values for categories in data["categories"].values() for values in categories.values()]
    for values in (*(data[part] for part in PARTS), *by_category):
        for value in values.values():
            for key in ("chance", "target", "seed_noise"):
                if value[key] is None:
                    del value[key]
    atomic_write_text(path, json.dumps(data, indent=2) + "\n")


def read_metrics(path: Path) -> EvaluationMetrics:
    """Read `metrics/evaluate.json`.

    Raises:
        MissingInputError: There is no such file.
        PvttError: It is not in this format.
    """
    return read_output(path, EvaluationMetrics, "evaluate")


def read_run(path: Path) -> EvaluationRun:
    """Read `outs/evaluate/run.json`. Raises as `read_metrics`."""
    return read_output(path, EvaluationRun, "evaluate")
