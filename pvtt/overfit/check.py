"""Train on a few samples, generate them from noise, and compare with the VAE's ceiling."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pvtt.errors import PvttError
from pvtt.evaluation.generate import read_conditions
from pvtt.evaluation.metrics.reconstruction import finite_psnr
from pvtt.evaluation.samples import Windows
from pvtt.files.atomic import atomic_path, atomic_write_text
from pvtt.files.workspace import Workspace
from pvtt.generation.composite import Compositor
from pvtt.generation.conditioned import ConditionedPipeline
from pvtt.media.arrays import Video
from pvtt.media.images import write_png
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.sampling import SamplingSettings, initial_noise, sample_seed
from pvtt.overfit.result import LearnedSample, OverfitResult, curve_of
from pvtt.overfit.scratch import OverfitSettings, choose_samples, overfit_job, write_samples
from pvtt.params.file import Params
from pvtt.records.dataset import DatasetEntry, EncodedSample, read_encoded, read_entries
from pvtt.records.training import LOSS_FILE
from pvtt.training.job import TrainJob
from pvtt.training.loop import train
from pvtt.training.processes import Processes
from pvtt.training.runtime import accelerate_for

RESULT_FILE, PICTURE_FILE = "overfit.json", "overfit.png"


def overfit(
    workspace: Workspace, params: Params, settings: OverfitSettings, out: Path, sampling_steps: int | None = None
) -> OverfitResult | None:
    """Learn a few samples by heart; write `overfit.json` and `overfit.png`, rows of truth, ceiling and generated.

    A run that was ended goes on where its last checkpoint stands. Several processes may call it together.

    Args:
        workspace: The project's folders; `encode` has run. Nothing in them changes but `out`.
        params: All of params.yaml.
        settings: What is learned, and how long.
        out: A folder for the result and, in `work`, the trained model.
        sampling_steps: Of generating; None: `evaluate.num_steps`.

    Returns:
        The result; None in all processes but the first.

    Raises:
        MissingInputError: `validate` or `encode` has not run, or the model to start from is not there.
        ParamsError: There are fewer samples, or as `train`.
        PvttError: No sample shows a product; otherwise as `train`.
    """
    with accelerate_for(params.train, gradient_accumulation=1) as accelerator:
        processes = Processes(accelerator)
        job = overfit_job(workspace, out / "work", params, settings, processes.count)
        with processes.together():
            samples = choose_samples(workspace, settings)
            by_key = {entry.key: entry for entry in read_entries(workspace.out("validate"))}
            if processes.is_main:
                write_samples(job, workspace.out("encode"), samples)
    started = time.monotonic()
    metrics = train(job)
    minutes = (time.monotonic() - started) / 60
    if not processes.is_main:
        return None
    num_steps = sampling_steps or params.evaluate.num_steps
    entries = [sample.given(by_key[sample.key]) for sample in samples]
    learned = measure(workspace, job, read_encoded(job.encoded), entries, num_steps, out / PICTURE_FILE)
    pairs = [(one.generated, one.ceiling) for one in learned if one.generated is not None and one.ceiling is not None]
    if not pairs:
        raise PvttError("none of the samples shows a product", "look at outs/segment: `pvtt data sheet`")
    generated, ceiling = (float(np.mean(values)) for values in zip(*pairs, strict=True))
    result = OverfitResult(
        samples=tuple(learned),
        generated=generated,
        ceiling=ceiling,
        within_db=settings.within_db,
        steps=metrics.steps,
        lr=settings.lr,
        seed=settings.seed,
        minutes=minutes,
        num_trainable=metrics.num_trainable,
        num_parameters=metrics.num_parameters,
        sampling_steps=num_steps,
        curve=curve_of(job.workspace.out(job.stage) / LOSS_FILE),
    )
    atomic_write_text(out / RESULT_FILE, result.to_json(indent=2) + "\n")
    return result


def measure(
    workspace: Workspace,
    job: TrainJob,
    samples: Sequence[EncodedSample],
    entries: Sequence[DatasetEntry],
    num_steps: int,
    picture: Path,
) -> list[LearnedSample]:
    """Generate the samples from noise, all frames, without guidance, and measure them as an evaluation does.

    Args:
        workspace: Where the samples' clips are.
        job: The training, which is done.
        samples: What was trained on, in `job.encoded`.
        entries: Their clips, masks and photos.
        num_steps: Of sampling.
        picture: The PNG to write: a row a sample, the middle frames of truth, ceiling and generated.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    half = device != "cpu" and job.params.train.precision == "bf16"
    options: dict[str, Any] = {"torch_dtype": {"transformer": torch.bfloat16}} if half else {}
    folder = job.workspace.out(job.stage) / "model"
    pipeline = ConditionedPipeline.from_pretrained(folder, **options).to(device)
    windows, learned, rows = Windows(workspace, job.params), [], []
    for sample, entry in zip(samples, entries, strict=True):
        given = read_conditions(job.encoded, sample)
        window = windows.read(entry)
        noise = initial_noise(given.latents.shape[1:], [sample_seed(job.params.seed, sample.key)])
        conditions = Conditions.concatenate([given.conditions])
        made = pipeline.generate(conditions, noise, SamplingSettings(num_steps))
        compositor = Compositor(window.template, window.mask)
        ceiling, generated = (
            compositor.put(pipeline.decode(latents)[0]) for latents in (given.latents.to(made.device), made)
        )
        learned.append(
            LearnedSample(
                key=sample.key,
                generated=finite_psnr(generated, window.pixels, window.product),
                ceiling=finite_psnr(ceiling, window.pixels, window.product),
            )
        )
        rows.append(_row([window.pixels, ceiling, generated]))
    with atomic_path(picture) as temporary:
        write_png(temporary, np.concatenate(rows, axis=0))
    return learned


def _row(videos: Sequence[Video]) -> Any:
    """The middle frames side by side, (H, 3·W, 3)."""
    return np.concatenate([video[len(video) // 2] for video in videos], axis=1)
