"""Loads what the terms of the loss need besides a batch, and nothing for a term that is off."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from pvtt.errors import MissingInputError
from pvtt.models.loading import load_vae
from pvtt.models.perceptual import NETWORKS, DecodedDistance
from pvtt.params.train import TrainParams
from pvtt.training.terms import LossInputs


def load_loss_inputs(
    params: TrainParams, root: Path, base: Path, empty_latents: Tensor | None, device: torch.device
) -> LossInputs:
    """What the terms of `params.loss` need, on `device`.

    Args:
        params: The weights, and the settings of the terms.
        root: What paths in the params are relative to.
        base: The pipeline folder whose VAE decodes.
        empty_latents: Latents of a video that is all hole, (C, F', h, w); needed by `preservation` only.
        device: The device that the model is on.

    Raises:
        MissingInputError: The weights of a network are not named, or not there.
        PvttError: They are another network's.
    """
    return LossInputs(
        empty_latents=None if empty_latents is None else empty_latents.to(device),
        decoded=_decoded_distance(params, root, base, device) if params.loss.perceptual > 0 else None,
    )


def perceptual_weights(params: TrainParams, root: Path) -> Path | None:
    """The file of the perceptual network's weights; None where the term is off.

    Raises:
        MissingInputError: It is not named.
    """
    if params.loss.perceptual == 0:
        return None
    if params.perceptual.weights is None:
        raise MissingInputError(
            "train.loss.perceptual is on, but train.perceptual.weights is not set",
            f"name a local file of torchvision's weights for {params.perceptual.network}, or set the loss to 0",
        )
    return root / params.perceptual.weights


def _decoded_distance(params: TrainParams, root: Path, base: Path, device: torch.device) -> DecodedDistance:
    weights = perceptual_weights(params, root)
    assert weights is not None
    distance = NETWORKS[params.perceptual.network](weights, "train.perceptual.weights", device)
    return DecodedDistance(load_vae(base).requires_grad_(False).to(device), distance)
