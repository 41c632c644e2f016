"""The trained transformer as files, where several processes hold it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from pvtt.files.atomic import atomic_write_text
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.training.processes import Processes

MAX_FILE = "10GB"  # as diffusers' `save_pretrained` has it
PATTERN = "diffusion_pytorch_model{suffix}.safetensors"


def save_together(folder: Path | None, model: ProductVideoTransformer, processes: Processes) -> None:
    """Write a transformer's folder, as `save_pretrained` does, a file at a time: nobody ever holds more of it whole.

    All processes must call it.

    Args:
        folder: Of the one process that writes; None in the others.
        model: Sharded, or the same in all.
        processes: All of them.

    Raises:
        StorageError: It could not be written.
    """
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file

    state = model.state_dict()
    shapes = {name: torch.empty(tensor.shape, dtype=tensor.dtype, device="meta") for name, tensor in state.items()}
    plan = split_torch_state_dict_into_shards(shapes, max_shard_size=MAX_FILE, filename_pattern=PATTERN)
    with processes.together():
        if folder is not None:
            config_of(model).save_config(folder)
    for file, names in plan.filename_to_tensors.items():
        tensors = {}
        for name in names:
            tensor = state[name]
            full = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
            if folder is not None:
                tensors[name] = full.detach().cpu().contiguous()
        with processes.together():
            if folder is not None:
                save_file(tensors, folder / file, metadata={"format": "pt"})
    if plan.is_sharded and folder is not None:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        name = PATTERN.format(suffix="") + ".index.json"
        atomic_write_text(folder / name, json.dumps(index, indent=2, sort_keys=True) + "\n")


def config_of(model: nn.Module) -> ProductVideoTransformer:
    """A model of the same configuration and without weights: FSDP2 gives a sharded one's class another name."""
    with torch.device("meta"):
        empty: ProductVideoTransformer = ProductVideoTransformer.from_config(model.config)
    return empty
