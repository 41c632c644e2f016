"""What a training begins with: its model and its optimizer."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from pvtt.errors import ParamsError
from pvtt.models.bases import ProductTransformer
from pvtt.params.train import StageTrainParams, TrainParams
from pvtt.training.job import TrainJob
from pvtt.training.model import champion_model, new_model, trained_model
from pvtt.training.optimizer import MuonWithAdamW


def require_spread(job: TrainJob, num_processes: int) -> None:
    """Check that a batch can be spread over the processes. Raises `ParamsError`."""
    batch_size, share = job.settings.batch_size, job.settings.batch_size // num_processes
    if batch_size % num_processes:
        raise ParamsError(
            f"{job.settings_key}.batch_size {batch_size} cannot be spread over {num_processes} processes",
            f"make it a multiple of {num_processes}",
        )
    if job.params.train.loss.contrastive > 0 and share < 2:
        raise ParamsError(
            f"train.loss.contrastive compares products of a batch, and {job.settings_key}.batch_size "
            f"{batch_size} leaves {share} a process",
            "raise it to two a process at least, or set train.loss.contrastive to 0",
        )


def start_model(job: TrainJob, tokens: Mapping[str, int]) -> ProductTransformer:
    """The model that a job begins with, float32.

    Args:
        job: Says from where.
        tokens: `tokens_of` the data.
    """
    params = job.params
    if job.stage == "train_stage1" and params.train.start == "base":
        return new_model(job.source, params.model, params.encode.max_photos, tokens, params.seed)
    if job.stage == "train_stage1":
        return champion_model(job.source, job.base, params.model, tokens, params.seed)
    return trained_model(job.source, tokens)


def new_optimizer(
    params: TrainParams, settings: StageTrainParams, parameters: list[torch.nn.Parameter], is_sharded: bool
) -> torch.optim.Optimizer:
    """The optimizer of a stage's parameters, which FSDP2 may shard afterwards.

    Raises:
        ParamsError: It cannot be of sharded parameters.
    """
    if params.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    if is_sharded:
        raise ParamsError(
            "train.optimizer: muon needs whole matrices, and FSDP2 shards them", "set train.optimizer: adamw"
        )
    return MuonWithAdamW(parameters, settings.lr, weight_decay=settings.weight_decay)
