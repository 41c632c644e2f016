"""Seconds a training step of the tiny profile takes, of each stage and precision, on samples of its shape.

`pytest tests/benchmarks/test_training_step.py -s` prints the figures.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest

from pvtt.files.workspace import Workspace
from pvtt.params.file import Params, load_params
from pvtt.training.job import TrainJob, TrainStage
from pvtt.training.loop import Training, train
from pvtt.training.runtime import accelerate_for, deterministic, num_threads
from tests.training.samples import Shape, write_encoded

SHAPE = Shape(latents=(16, 3, 12, 18), photo=(12, 12), text=(24, 32))
WARM_UP_STEPS, STEPS = 3, 10


def shortened(params: Params, precision: Literal["fp32", "bf16"]) -> Params:
    settings = params.train.stage1.model_copy(update={"steps": 1})
    changes = {"precision": precision, "wandb": "disabled", "validation_pictures": 0, "stage1": settings}
    return params.model_copy(update={"train": params.train.model_copy(update=changes)})


def test_what_deterministic_kernels_cost(tmp_path: Path, project_root: Path) -> None:
    """Steps of both kinds, in turns, of one training."""
    workspace = Workspace(tmp_path)
    (tmp_path / "models").symlink_to(project_root / "models")
    write_encoded(workspace.out("encode"), {"train": 8}, num_variants=1, max_views=4, shape=SHAPE)
    params = shortened(load_params(project_root / "params.yaml"), "fp32")
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with accelerate_for(params.train, 1) as accelerator:
        training = Training(TrainJob(workspace, "train_stage1", params), accelerator)
        for _ in range(WARM_UP_STEPS + STEPS):
            for strict in (True, False):
                with deterministic(strict):
                    start = time.perf_counter()
                    training.train_step()
                    seconds[strict].append(time.perf_counter() - start)
    best = {strict: min(values[WARM_UP_STEPS:]) for strict, values in seconds.items()}
    print(f"\ndeterministic: {best[True]:.2f} s a step, else {best[False]:.2f}", end="")
    assert best[True] < 1.5 * best[False]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_seconds_a_step(tmp_path: Path, project_root: Path, precision: Literal["fp32", "bf16"]) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "models").symlink_to(project_root / "models")
    write_encoded(workspace.out("encode"), {"train": 32, "val": 4}, num_variants=4, max_views=4, shape=SHAPE)
    params = shortened(load_params(project_root / "params.yaml"), precision)
    train(TrainJob(workspace, "train_stage1", params))
    stages: tuple[TrainStage, ...] = ("train_stage1", "train_stage2")
    for stage in stages:
        with deterministic(), accelerate_for(params.train, 1) as accelerator:
            training = Training(TrainJob(workspace, stage, params), accelerator)
            seconds = []
            for _ in range(WARM_UP_STEPS + STEPS):
                start = time.perf_counter()
                training.train_step()
                seconds.append(time.perf_counter() - start)
        steady = sorted(seconds[WARM_UP_STEPS:])
        print(
            f"\n{stage} {precision}, batch {training.settings.batch_size}, {num_threads()} threads: "
            f"{steady[STEPS // 2]:.2f} s a step (best {steady[0]:.2f})",
            end="",
        )
        assert steady[0] < 2
