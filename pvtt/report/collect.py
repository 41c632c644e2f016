"""Everything that the report shows, read from the workspace."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.records.catalog import Product, Reject, read_catalog, read_rejects
from pvtt.records.dataset import (
    DatasetEntry,
    EncodedSample,
    Split,
    read_encoded,
    read_encoded_transfers,
    read_entries,
)
from pvtt.records.decision import Decision, read_decision
from pvtt.records.evaluation import (
    EvaluatedSample,
    EvaluationMetrics,
    EvaluationRun,
    read_evaluated,
    read_metrics,
    read_run,
)
from pvtt.records.training import LOSS_FILE, VALIDATION_FILE, read_columns

TRAINING_STAGES = ("train_stage1", "train_stage2")
REJECTING_STAGES = ("clip", "segment", "photos", "validate", "encode")


@dataclass(frozen=True)
class TrainingHistory:
    """The curves of one training stage."""

    stage: str
    steps: tuple[float, ...]
    losses: tuple[float, ...]
    learning_rates: tuple[float, ...]
    validation: dict[float, tuple[tuple[float, float], ...]]  # noise level σ → (step, loss)


@dataclass(frozen=True)
class ReportInputs:
    """What a report is made of. Paths in `samples` are relative to `videos` and `root`."""

    root: Path
    videos: Path
    params: Params
    decision: Decision
    run: EvaluationRun
    metrics: EvaluationMetrics
    samples: tuple[EvaluatedSample, ...]
    histories: tuple[TrainingHistory, ...]
    rejects: tuple[Reject, ...]
    encoded: tuple[EncodedSample, ...]  # reconstructions, then transfers
    counts: dict[Split, tuple[int, int]]  # products, clips
    entries: tuple[DatasetEntry, ...]
    products: dict[str, Product]  # as crawled, by id


def collect(workspace: Workspace, params: Params) -> ReportInputs:
    """Read a report's inputs.

    Raises:
        MissingInputError: A stage before has not run.
        PvttError: A file is not in its format.
    """
    out = workspace.out("evaluate")
    samples = read_evaluated(out)
    entries = read_entries(workspace.out("validate"))
    folders = [workspace.data, *(workspace.out(stage) for stage in REJECTING_STAGES)]
    return ReportInputs(
        root=workspace.root,
        videos=out,
        params=params,
        decision=read_decision(workspace.metrics / "decision.json"),
        run=read_run(out / "run.json"),
        metrics=read_metrics(workspace.metrics / "evaluate.json"),
        samples=tuple(samples),
        histories=tuple(read_history(workspace, stage) for stage in TRAINING_STAGES),
        rejects=read_rejects(folders),
        encoded=(*read_encoded(workspace.out("encode")), *read_encoded_transfers(workspace.out("encode"))),
        counts=_count(entries),
        entries=tuple(entries),
        products=read_catalog(workspace.data),
    )


def read_history(workspace: Workspace, stage: str) -> TrainingHistory:
    """A training stage's curves. Raises as `collect`."""
    folder = workspace.out(stage)
    losses = read_columns(folder / LOSS_FILE, stage, ("step", "loss", "lr"))
    validation: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for step, sigma, loss in read_columns(folder / VALIDATION_FILE, stage, ("step", "sigma", "loss")):
        validation[sigma].append((step, loss))
    return TrainingHistory(
        stage=stage,
        steps=tuple(step for step, _, _ in losses),
        losses=tuple(loss for _, loss, _ in losses),
        learning_rates=tuple(rate for _, _, rate in losses),
        validation={sigma: tuple(points) for sigma, points in sorted(validation.items())},
    )


def _count(entries: list[DatasetEntry]) -> dict[Split, tuple[int, int]]:
    counts: dict[Split, tuple[int, int]] = {}
    for split in ("train", "val", "test"):
        of_split = [entry for entry in entries if entry.split == split]
        counts[split] = (len({entry.product_id for entry in of_split}), len(of_split))
    return counts
