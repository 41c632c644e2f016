"""`pvtt train`: what is tried before a training."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import click


@click.group()
def command() -> None:
    """What is tried before a training; `pvtt train_stage1` and `pvtt train_stage2` are the trainings."""


@command.command()
@click.option("--samples", default=4, show_default=True, type=click.IntRange(1), help="Of the training split.")
@click.option("--steps", default=1000, show_default=True, type=click.IntRange(1), help="Optimizer steps.")
@click.option(
    "--lr", type=click.FloatRange(0, min_open=True), help="Peak of the learning rate; without it 5 × train.stage2.lr."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of all that is random.")
@click.option(
    "--within", default=1.0, show_default=True, type=click.FloatRange(0), help="Below the ceiling at most, in dB."
)
@click.option("--sampling-steps", type=click.IntRange(1), help="Of generating; without it evaluate.num_steps.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Without it .pvtt/overfit.")
def overfit(
    samples: int, steps: int, lr: float | None, seed: int, within: float, sampling_steps: int | None, out: Path | None
) -> None:
    """Learn a few samples by heart: the first thing to run at a new scale.

    Trains the profile's model with its losses on some samples of outs/encode, generates them from noise, and compares
    their product PSNR with what the VAE itself keeps of them. Writes overfit.json and overfit.png (truth, ceiling,
    generated). Ends with exit code 10 where they stay further below the ceiling than --within.

    Several GPUs: `torchrun --nproc-per-node 8 -m pvtt.cli train overfit`.
    """
    from pvtt.errors import NotLearnedError
    from pvtt.files.lock import hold_lock
    from pvtt.files.workspace import find_workspace
    from pvtt.overfit.check import PICTURE_FILE, RESULT_FILE, overfit
    from pvtt.overfit.scratch import OverfitSettings
    from pvtt.params.file import load_params

    workspace = find_workspace()
    folder = (out or workspace.state / "overfit").resolve()
    params = load_params(workspace.params_file)
    settings = OverfitSettings(samples, steps, lr or 5 * params.train.stage2.lr, seed, within)
    is_first = int(os.environ.get("RANK") or 0) == 0
    with hold_lock(folder / "overfit.lock", "pvtt train overfit") if is_first else nullcontext():
        result = overfit(workspace, params, settings, folder, sampling_steps)
    if result is None:
        return
    click.echo("\n".join(result.lines()))
    click.echo(f"Wrote {folder / RESULT_FILE} and {folder / PICTURE_FILE}")
    if not result.is_learned:
        raise NotLearnedError(
            f"the samples are not learned: {result.below:.2f} dB below the ceiling, and {within:g} dB are allowed",
            "; ".join(result.advice()),
        )
