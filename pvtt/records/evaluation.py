"""What an evaluation measured: `metrics/evaluate.json` and the records beside the videos in `outs/evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, RootModel

from pvtt.files.atomic import atomic_write_text
from pvtt.records.base import Record, read_output, read_output_jsonl
from pvtt.records.catalog import ProductId, Sha256
from pvtt.records.clips import ClipRecord
from pvtt.records.dataset import Split

EVALUATED_FILE = "evaluated.jsonl"  # in outs/evaluate: an `EvaluatedSample` a line

MetricStatus = Literal["pass", "fail", "measured", "not_measured", "too_few"]


class MetricValue(Record):
    """One metric on one split.

    `value`, `low` and `high` are None where the status is `not_measured` (its network is missing, or it is not defined
    for these samples) or `too_few`. `measured` is the status of a metric without a target.
    """

    value: float | None
    low: float | None  # 95 % bootstrap interval over products
    high: float | None
    n: int = Field(ge=0)  # samples
    chance: float | None = None  # what guessing reaches
    target: float | None = None
    status: MetricStatus


class EvaluationMetrics(RootModel[dict[Split, dict[str, MetricValue]]]):
    """`metrics/evaluate.json`: split → metric → value."""

    def get(self, split: Split, metric: str) -> MetricValue | None:
        """A metric's value on a split; None where the evaluation doesn't have it."""
        return self.root.get(split, {}).get(metric)


class Fingerprint(Record):
    """What a score depends on besides the model: two scores compare only where these are equal."""

    versions: dict[str, str]  # library → version
    device: str
    num_threads: int
    protocol: dict[str, str | int | float | None]  # the evaluation's own settings and definitions
    weights: dict[str, Sha256 | None]  # measuring network → hash of its weights; None: missing
    evaluator: str  # version of pvtt/evaluation's source


class EvaluationRun(Record):
    """`outs/evaluate/run.json`: which model was evaluated on which data, and how."""

    schema_version: Literal[1] = 1
    run_id: str = Field(pattern=r"^[0-9a-f]{12}$")
    model: str  # relative to the workspace
    model_sha256: Sha256
    dataset_sha256: Sha256
    seed: int
    fingerprint: Fingerprint
    certified: tuple[str, ...]  # the evaluator's own checks that passed


class EvaluatedSample(ClipRecord):
    """One line of `outs/evaluate/evaluated.jsonl`: a sample's own metrics, and its videos where they were saved.

    Paths in `videos` are relative to `outs/evaluate`; `photo_paths` to the workspace.
    """

    schema_version: Literal[1] = 1
    split: Split
    category: str
    caption: str
    swapped_product_id: ProductId | None  # whose photos the swapped run saw
    photo_paths: tuple[str, ...]
    swapped_photo_paths: tuple[str, ...] = ()
    to_rate: bool = False  # its video is among those that people rate
    videos: dict[str, str]  # generated, ground_truth, masked, mask, swapped
    metrics: dict[str, float | None]  # None: not measured on this sample


def read_evaluated(folder: Path) -> list[EvaluatedSample]:
    """The samples in the evaluate stage's output directory.

    Raises:
        MissingInputError: The stage has not run.
        PvttError: A line is no `EvaluatedSample`.
    """
    return read_output_jsonl(folder / EVALUATED_FILE, EvaluatedSample, "evaluate")


def write_metrics(path: Path, metrics: Mapping[Split, Mapping[str, MetricValue]]) -> None:
    """Write `metrics/evaluate.json` atomically; `chance` and `target` stand only where there is one."""
    data = {
        split: {
            name: {
                key: value
                for key, value in json.loads(metric.to_json()).items()
                if value is not None or key not in ("chance", "target")
            }
            for name, metric in values.items()
        }
        for split, values in metrics.items()
    }
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
