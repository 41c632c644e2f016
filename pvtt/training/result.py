"""What a training leaves in `outs/<stage>`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pvtt.files.atomic import atomic_write_text
from pvtt.models.bases import ProductTransformer, class_of
from pvtt.models.contracts import Contracts
from pvtt.params.train import LoraParams
from pvtt.records.training import LOSS_FILE, VALIDATION_FILE
from pvtt.training.history import write_csv
from pvtt.training.job import TrainJob
from pvtt.training.lora import ADAPTER_FOLDER, adapter_tensors, merged, plain_names, write_adapter
from pvtt.training.model import complete_pipeline, save_pipeline
from pvtt.training.processes import Processes

NO_ADAPTER = LoraParams()
MAX_FILE = "10GB"  # as diffusers' `save_pretrained` has it
PATTERN = "diffusion_pytorch_model{suffix}.safetensors"


def save_model(
    folder: Path | None,
    model: ProductTransformer,
    job: TrainJob,
    contracts: Contracts,
    processes: Processes,
) -> None:
    """Write the pipeline folder of a trained model. Arguments as of `save_together`, and what `save_pipeline` takes."""
    encode, lora = job.params.encode, job.settings.lora
    state = model.state_dict()
    if processes.count > 1:
        save_together(None if folder is None else folder / "transformer", model, processes, lora)
        with processes.together():
            if folder is not None:
                complete_pipeline(folder, job.source, contracts, encode)
    elif folder is not None:
        result = class_of(model).from_config(model.config)
        result.load_state_dict({name: merged(state, key, lora) for name, key in plain_names(state).items()})
        save_pipeline(folder, result, job.source, contracts, encode)
    if lora.rank:
        adapter = adapter_tensors(state, lora)
        with processes.together():
            if folder is not None:
                write_adapter(folder / ADAPTER_FOLDER, adapter)


def write_records(
    out: Path,
    history: Sequence[dict[str, float]],
    held_out: Sequence[dict[str, float]],
    trainable: dict[str, Any],
    pictures: Path,
) -> None:
    """Write what there is beside the model.

    Args:
        out: `outs/<stage>`.
        history: Rows of `loss.csv`.
        held_out: Rows of `validation.csv`.
        trainable: What `trainable.json` says.
        pictures: Where the pictures of the validations are.
    """
    write_csv(out / LOSS_FILE, history)
    write_csv(out / VALIDATION_FILE, held_out, ("step", "sigma", "loss", "loss_region"))
    atomic_write_text(out / "trainable.json", json.dumps(trainable, indent=2) + "\n")
    (out / "samples").mkdir()
    for picture in sorted(pictures.glob("step-*.png")):
        (out / "samples" / picture.name).write_bytes(picture.read_bytes())


def save_together(
    folder: Path | None, model: ProductTransformer, processes: Processes, lora: LoraParams = NO_ADAPTER
) -> None:
    """Write a transformer's folder, as `save_pretrained` does, a file at a time: nobody ever holds more of it whole.

    All processes must call it.

    Args:
        folder: Of the one process that writes; None in the others.
        model: Sharded, or the same in all.
        processes: All of them.
        lora: Of its adapter, which is merged.

    Raises:
        StorageError: It could not be written.
    """
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file

    state = model.state_dict()
    keys = plain_names(state)
    tensors_of = {name: state[key] for name, key in keys.items()}
    shapes = {name: torch.empty(one.shape, dtype=one.dtype, device="meta") for name, one in tensors_of.items()}
    plan = split_torch_state_dict_into_shards(shapes, max_shard_size=MAX_FILE, filename_pattern=PATTERN)
    with processes.together():
        if folder is not None:
            config_of(model).save_config(folder)
    for file, names in plan.filename_to_tensors.items():
        tensors = {}
        for name in names:
            full = merged(state, keys[name], lora)
            if folder is not None:
                tensors[name] = full.contiguous()
        with processes.together():
            if folder is not None:
                save_file(tensors, folder / file, metadata={"format": "pt"})
    if plan.is_sharded and folder is not None:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        name = PATTERN.format(suffix="") + ".index.json"
        atomic_write_text(folder / name, json.dumps(index, indent=2, sort_keys=True) + "\n")


def config_of(model: nn.Module) -> ProductTransformer:
    """A model of the same configuration and without weights: FSDP2 gives a sharded one's class another name."""
    with torch.device("meta"):
        empty: ProductTransformer = class_of(model).from_config(model.config)
    return empty
