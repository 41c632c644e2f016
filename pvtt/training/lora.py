"""LoRA (arXiv:2106.09685) as a mode of the second stage: frozen weights W, and W + alpha/rank · B A in their place.

B starts at 0, so that the model with the adapter equals the one without. Nothing but A and B is trained: the parts of
the conditioning stay as the first stage left them. `peft` makes the layers; it is imported only where LoRA is on.

What is exported is the model with the adapter merged into its weights, which needs no peft, and the adapter alone in
diffusers' format, in `adapter/` of the model's folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pvtt.errors import ParamsError
from pvtt.files.storage import storage_errors
from pvtt.models.bases import ProductTransformer
from pvtt.params.train import LoraParams, StageTrainParams
from pvtt.training.parameters import declare_trainable, match_parameters
from pvtt.training.sharding import whole

ADAPTER = "default"  # peft's name of it
ADAPTER_FOLDER = "adapter"
ADAPTER_FILE = "pytorch_lora_weights.safetensors"  # as diffusers names it
PREFIX = "transformer."  # of its tensors, in a pipeline's adapter file
DOWN, UP = f".lora_A.{ADAPTER}.weight", f".lora_B.{ADAPTER}.weight"  # A, (rank, in), and B, (out, rank)
BASE = ".base_layer."


def match_layers(model: nn.Module, params: LoraParams, key: str) -> dict[str, nn.Linear]:
    """The linear layers that get an adapter, by name. Raises as `match_parameters`."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    return {name: layers[name] for name in match_parameters(list(layers), params.targets, key, "linear layer")}


def num_trainable(model: nn.Module, settings: StageTrainParams, key: str) -> int:
    """Parameters that a stage trains; the model may be on the meta device.

    Args:
        model: Without an adapter.
        settings: The stage's.
        key: Their key in `params.yaml`, for errors.

    Raises:
        ParamsError: As `prepare_trainable`.
    """
    if settings.lora.rank:
        layers = match_layers(model, settings.lora, f"{key}.lora.targets").values()
        return sum(settings.lora.rank * (layer.in_features + layer.out_features) for layer in layers)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return sum(sizes[name] for name in match_parameters(list(sizes), settings.trainable, f"{key}.trainable"))


def prepare_trainable(model: ProductTransformer, settings: StageTrainParams, key: str, seed: int) -> list[str]:
    """Let a stage's parameters require gradients, after adding its adapter where LoRA is on; returns their names.

    Args:
        model: Changed in place.
        settings: The stage's.
        key: Their key in `params.yaml`, for errors.
        seed: Of A.

    Raises:
        ParamsError: A pattern of parameters or layers matches nothing, or peft is not installed.
    """
    if not settings.lora.rank:
        return declare_trainable(model, settings.trainable, f"{key}.trainable")
    add_adapter(model, settings.lora, f"{key}.lora.targets", seed)
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def add_adapter(model: ProductTransformer, params: LoraParams, key: str, seed: int) -> None:
    """Add an adapter that is all that requires gradients. Arguments and errors as of `prepare_trainable`."""
    layers = match_layers(model, params, key)
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise ParamsError(
            f"{key.rpartition('.')[0]} is on, and peft is not installed",
            "install the project as `make setup` does, or set lora.rank: 0",
        ) from error
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # A string is a pattern for whole names; of a list peft would also take names that end so.
        alpha: Any = params.alpha  # peft's annotation says int; it divides by the rank
        config = LoraConfig(r=params.rank, lora_alpha=alpha, target_modules=_pattern(list(layers)))
        model.add_adapter(config, ADAPTER)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith((DOWN, UP)))


def _pattern(names: Sequence[str]) -> str:
    return "|".join(re.escape(name) for name in names)


def plain_names(state: Mapping[str, Any]) -> dict[str, str]:
    """The names that a model's tensors have without an adapter → those that they have in `state`."""
    return {name.replace(BASE, "."): name for name in state if not name.endswith((DOWN, UP))}


def merged(state: Mapping[str, Tensor], name: str, params: LoraParams) -> Tensor:
    """A tensor whole and with its adapter, on the CPU. All processes must call it.

    Args:
        state: Of a model, sharded or not.
        name: In `state`.
        params: The adapter's; of rank 0 there is none.
    """
    tensor: Tensor = whole(state[name])
    layer, is_weight = name.replace(BASE, ".").removesuffix(".weight"), name.endswith(f"{BASE}weight")
    if not is_weight or layer + DOWN not in state:
        return tensor
    down, up = whole(state[layer + DOWN]), whole(state[layer + UP])
    return tensor + (up @ down) * (params.alpha / params.rank)


def adapter_tensors(state: Mapping[str, Tensor], params: LoraParams) -> dict[str, Tensor]:
    """The adapter's tensors, whole, on the CPU, as diffusers' pipelines name them. All processes must call it.

    B is given times alpha / rank: who reads the file takes alpha for the rank where nothing else says so.

    Args:
        state: Of the model, sharded or not.
        params: The adapter's.
    """
    tensors = {}
    for name in (name for name in state if name.endswith((DOWN, UP))):
        tensor = whole(state[name])
        scaled = tensor * (params.alpha / params.rank) if name.endswith(UP) else tensor
        tensors[PREFIX + name.replace(f".{ADAPTER}.weight", ".weight")] = scaled.contiguous()
    return tensors


def write_adapter(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Write the adapter alone, as `load_lora_weights` of diffusers' pipelines and `load_lora_adapter` of their models
    read it.

    Args:
        folder: A new one.
        tensors: As `adapter_tensors` gave them.

    Raises:
        StorageError: It could not be written.
    """
    from safetensors.torch import save_file

    with storage_errors(folder):
        folder.mkdir(parents=True)
        save_file(tensors, folder / ADAPTER_FILE, metadata={"format": "pt"})
