"""A small workspace after evaluation: drawn products and transfers, a random base and model, everything measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.params.file import Params, load_params
from pvtt.records.base import write_jsonl
from pvtt.records.catalog import Reject
from pvtt.records.dataset import Split
from pvtt.stages import encode, evaluate
from tests.encoding.samples import tiny_encode_params, write_dataset, write_sample, write_transfer
from tests.tiny_wan import build_tiny_base, build_tiny_pipeline

ROOT = Path(__file__).resolve().parents[1]
Products = Mapping[Split, Mapping[str, tuple[int, int, int]]]  # and the colour of each one's disc
PRODUCTS: Products = {
    "train": {"RED001": (200, 40, 40), "GREEN002": (40, 160, 60), "BLUE003": (40, 60, 200), "GOLD004": (220, 180, 40)},
    "val": {"PINK005": (230, 120, 180)},
    "test": {"TEAL006": (30, 150, 150), "PLUM007": (120, 40, 130), "SAND008": (200, 170, 130), "COAL009": (40, 40, 44)},
}


@dataclass(frozen=True)
class EvaluatedProject:
    """A workspace in which `evaluate` has run."""

    workspace: Workspace
    params: Params


def small_evaluation(root: Path) -> Params:
    """The project's params at the size of the drawn samples, with the base in `root/models/base`."""
    params = load_params(ROOT / "params.yaml")
    changes = {"num_steps": 2, "batch_size": 3, "min_n": 4, "min_products": 2, "save_videos": 2, "bootstrap": 200}
    return params.model_copy(
        update={
            "encode": tiny_encode_params(variants=1),
            "model": params.model.model_copy(update={"base": "models/base"}),
            "train": params.train.model_copy(update={"start": "base"}),
            "evaluate": params.evaluate.model_copy(update=changes),
        }
    )


def write_history(workspace: Workspace, steps: int = 60) -> None:
    """Loss curves of both training stages that fall, with noise."""
    for stage, start, end in (("train_stage1", 1.0, 0.5), ("train_stage2", 0.5, 0.3)):
        random = np.random.default_rng(0)
        mean = end + (start - end) * np.exp(-np.arange(steps) / 15)
        losses = mean * random.lognormal(sigma=0.1, size=steps)
        folder = workspace.out(stage)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [f"{step + 1},{loss:.6f},{1.3 * loss:.6f},0.001,0.5" for step, loss in enumerate(losses)]
        (folder / "loss.csv").write_text("\n".join(["step,loss,loss_region,lr,grad_norm", *rows]) + "\n")
        checks = [
            f"{step},{quantile},{mean[step - 1] * quantile:.6f}" for step in (20, 60) for quantile in (0.25, 0.75)
        ]
        (folder / "validation.csv").write_text("\n".join(["step,sigma,loss", *checks]) + "\n")


def build_project(root: Path, products: Products = PRODUCTS) -> EvaluatedProject:
    """Make everything that `evaluate` reads, for these products; returns before it has run."""
    torch.set_num_threads(1)
    workspace, params = Workspace(root), small_evaluation(root)
    base = build_tiny_base(root / "models" / "base")
    entries = [
        write_sample(root, product_id, split, colour=colour)
        for split, of_split in products.items()
        for product_id, colour in of_split.items()
    ]
    test = [entry for entry in entries if entry.split == "test"]
    transfers = tuple(
        write_transfer(root, product, template, products["test"][product.product_id])
        for product, template in zip(test, [*test[1:], test[0]], strict=True)
    )
    for stage in ("clip", "segment", "photos", "validate"):
        workspace.out(stage).mkdir(parents=True, exist_ok=True)
        write_jsonl(workspace.out(stage) / "rejects.jsonl", [])
    reject = Reject(stage="clip", item="X001/v.mp4#1", product_id="X001", reason="too_short", message="1.2 s, need 3 s")
    write_jsonl(workspace.out("clip") / "rejects.jsonl", [reject])
    write_dataset(workspace, entries, transfers)
    encode.run(workspace, params, InlineDispatcher())
    pipeline = build_tiny_pipeline(base, params.encode)
    pipeline.save_pretrained(root / "outs" / "train_stage2" / "model")
    write_history(workspace)
    return EvaluatedProject(workspace, params)


def build_evaluated_project(root: Path, dispatcher: Dispatcher | None = None) -> EvaluatedProject:
    """The same, after `evaluate`, in this process or where `dispatcher` takes it."""
    project = build_project(root)
    evaluate.run(project.workspace, project.params, dispatcher or InlineDispatcher())
    return project
