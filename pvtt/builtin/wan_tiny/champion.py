"""pvtt-tiny, the champion that the project ships: what the stages trained on procedural products, with their logs."""

from __future__ import annotations

import shutil
from pathlib import Path

from pvtt.files.atomic import atomic_directory
from pvtt.files.workspace import Workspace, require_output
from pvtt.models.origin import forget_origin
from pvtt.params.file import load_params

STAGES = ("train_stage1", "train_stage2")
LOGS = ("loss.csv", "validation.csv")
BEFORE = "before"  # folder of the logs of the rounds before the last


def write_champion(workspace: Workspace, destination: Path) -> int:
    """Write the model of a workspace's training as a pipeline folder with 16-bit weights of its transformer.

    The autoencoder and the text encoder stay, byte for byte, the base's. `destination/training` gets the params, the
    loss curves and, where `pvtt evaluate` has run, the metrics; `training/before` what was there, where the training
    continued the model that `destination` held.

    Args:
        workspace: Where `pvtt train_stage1` and `pvtt train_stage2` have run.
        destination: The folder; its README.md is kept.

    Returns:
        The folder's size in bytes.

    Raises:
        MissingInputError: A stage has not run there.
    """
    import torch

    from pvtt.models.loading import load_component
    from pvtt.models.transformer import ProductVideoTransformer

    for stage in STAGES:
        require_output(workspace.out(stage), stage)
    model = workspace.out(STAGES[-1]) / "model"
    with atomic_directory(destination) as folder:
        shutil.copytree(model, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
        shutil.rmtree(folder / "transformer")
        transformer = load_component(model / "transformer", ProductVideoTransformer, torch_dtype=torch.float16)
        transformer.save_pretrained(folder / "transformer")
        forget_origin(folder)
        _copy_logs(workspace, folder / "training")
        before = destination / "training"
        if before.is_dir() and load_params(workspace.params_file).train.start == "champion":
            shutil.copytree(before, folder / "training" / BEFORE)
        readme = destination / "README.md"
        if readme.is_file():
            shutil.copyfile(readme, folder / "README.md")
    return sum(path.stat().st_size for path in destination.rglob("*") if path.is_file())


def _copy_logs(workspace: Workspace, folder: Path) -> None:
    folder.mkdir()
    shutil.copyfile(workspace.params_file, folder / "params.yaml")
    for stage in STAGES:
        for log in LOGS:
            shutil.copyfile(workspace.out(stage) / log, folder / f"{stage}_{log}")
    metrics = workspace.metrics / "evaluate.json"
    if metrics.is_file():
        shutil.copyfile(metrics, folder / metrics.name)
