"""Loads what the terms of the loss need besides a batch, and nothing for a term that is off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pvtt.errors import MissingInputError
from pvtt.models.bases import new_around_base
from pvtt.models.loading import is_vace, load_vae
from pvtt.models.perceptual import NETWORKS, DecodedDistance
from pvtt.params.train import TrainParams
from pvtt.training.terms import LossInputs, Model


def load_loss_inputs(
    params: TrainParams, root: Path, source: Path, base: Path, empty_latents: Tensor | None, device: torch.device
) -> LossInputs:
    """What the terms of `params.loss` need, on `device`.

    Args:
        params: The weights, and the settings of the terms.
        root: What paths in the params are relative to.
        source: The pipeline folder whose VAE decodes.
        base: The base model's pipeline folder.
        empty_latents: Latents of a video that is all hole, (C, F', h, w); None where no term needs them.
        device: The device that the model is on.

    Raises:
        MissingInputError: The weights of a network are not named, or not there.
        PvttError: They are another network's.
    """
    return LossInputs(
        empty_latents=None if empty_latents is None else empty_latents.to(device),
        decoded=_decoded_distance(params, root, source, device) if params.loss.perceptual > 0 else None,
        base=_frozen_base(params, base, device) if params.loss.foreign_preservation > 0 else None,
    )


def _frozen_base(params: TrainParams, base: Path, device: torch.device) -> Model:
    """The base in the precision of the training, without gradients."""
    dtype = torch.bfloat16 if params.precision == "bf16" else torch.float32
    conditioning = ("context_blocks",) if is_vace(base / "transformer") else ()  # a VACE is what its context blocks are
    frozen = new_around_base(base, options={"torch_dtype": dtype}, conditioning=conditioning)
    frozen.eval().requires_grad_(False).to(device)

    def velocity(**given: Any) -> Any:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            return frozen(**given)

    return velocity


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


def _decoded_distance(params: TrainParams, root: Path, source: Path, device: torch.device) -> DecodedDistance:
    weights = perceptual_weights(params, root)
    assert weights is not None
    distance = NETWORKS[params.perceptual.network](weights, "train.perceptual.weights", device)
    return DecodedDistance(load_vae(source).requires_grad_(False).to(device), distance)
