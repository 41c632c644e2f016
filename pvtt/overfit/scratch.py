"""A few encoded samples in a folder of their own, and the training on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pvtt.encoding.store import PER_VARIANT, reading, write_tensors
from pvtt.errors import ParamsError
from pvtt.evaluation.selection import select
from pvtt.files.atomic import atomic_directory
from pvtt.files.workspace import Workspace
from pvtt.models.contracts import Contracts
from pvtt.params.file import Params
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import ENCODED_FILE, FOREIGN_FILE, EncodedSample, read_encoded, read_foreign
from pvtt.training.job import TrainJob


@dataclass(frozen=True)
class OverfitSettings:
    """What is learned, and how long.

    Args:
        samples: So many of the training split, of different products where there are.
        steps: Optimizer steps.
        lr: The peak of the learning rate.
        seed: Of the choice, the training's draws and the noise that is generated from.
        within_db: How far below the ceiling the product PSNR may stay.
    """

    samples: int = 4
    steps: int = 1000
    lr: float = 1e-3
    seed: int = 0
    within_db: float = 1.0


def choose_samples(workspace: Workspace, settings: OverfitSettings) -> list[EncodedSample]:
    """The samples that are learned.

    Raises:
        MissingInputError: `encode` has not run.
        ParamsError: The training split has fewer.
    """
    train = [sample for sample in read_encoded(workspace.out("encode")) if sample.split == "train"]
    if len(train) < settings.samples:
        raise ParamsError(
            f"the training split has {len(train)} samples, and {settings.samples} were asked for",
            f"ask for --samples {len(train)}" if train else "encode more products first: `dvc repro encode`",
        )
    return select(train, settings.samples, settings.seed)


def overfit_job(workspace: Workspace, scratch: Path, params: Params, settings: OverfitSettings, ranks: int) -> TrainJob:
    """The training: the profile's model, losses, precision and optimizer, and what its second stage trains.

    Nothing is dropped, and each sample has one variant: there is one answer to learn.

    Args:
        workspace: The project's folders.
        scratch: The folder that `write_samples` wrote, which also takes checkpoints and the result.
        params: All of params.yaml.
        settings: How long it trains.
        ranks: Processes that train together.
    """
    root, train = workspace.root, params.train
    stage = train.stage2.model_copy(
        update={
            "steps": settings.steps,
            "batch_size": math.ceil(settings.samples / ranks) * ranks,
            "lr": settings.lr,
            "warmup_steps": min(train.stage2.warmup_steps, settings.steps // 10),
            "weight_decay": 0.0,
            "ema_decay": min(train.stage2.ema_decay, 0.9),
            "validate_every": settings.steps,
        }
    )
    perceptual = train.perceptual
    if perceptual.weights is not None:
        perceptual = perceptual.model_copy(update={"weights": str(root / perceptual.weights)})
    train = train.model_copy(
        update={
            "product_dropout": 0.0,
            "text_dropout": 0.0,
            "view_dropout": 0.0,
            "semantic_schedule": 0.0,
            "validation_pictures": 0,
            "wandb": "disabled",
            "perceptual": perceptual,
            "stage1": stage,
        }
    )
    places = {"base": str(root / params.model.base), "champion": str(root / params.model.champion)}
    model = params.model.model_copy(update=places)
    changed = params.model_copy(update={"model": model, "train": train, "seed": settings.seed})
    return TrainJob(Workspace(scratch), "train_stage1", changed)


def write_samples(job: TrainJob, source: Path, samples: Sequence[EncodedSample]) -> None:
    """Write the first variant of the samples as the job's encoded data.

    Args:
        job: The training.
        source: The project's `outs/encode`.
        samples: Records in it.

    Raises:
        PvttError: A sample cannot be read.
        StorageError: It cannot be written.
    """
    from safetensors.torch import load_file

    with atomic_directory(job.encoded) as folder:
        (folder / "samples").mkdir()
        for sample in samples:
            with reading(source / sample.path):
                tensors = load_file(source / sample.path)
            first = {name: value[:1].clone() if name in PER_VARIANT else value for name, value in tensors.items()}
            (folder / sample.path).parent.mkdir(parents=True, exist_ok=True)
            write_tensors(folder / sample.path, first)
        write_jsonl(folder / ENCODED_FILE, [sample.model_copy(update={"num_variants": 1}) for sample in samples])
        Contracts.load(source).save(folder)
        if job.params.train.loss.foreign_preservation > 0:
            clips = read_foreign(source)
            for clip in clips:
                (folder / clip.path).symlink_to((source / clip.path).resolve())
            write_jsonl(folder / FOREIGN_FILE, clips)
