"""wan-tiny's transformer, trained anew on the samples of a workspace: at the window that they are encoded at."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.builtin.wan_tiny.transformer import TransformerTraining, train_transformer
from pvtt.encoding.store import EncodedDataset
from pvtt.files.atomic import atomic_directory
from pvtt.files.workspace import Workspace
from pvtt.models.origin import forget_origin
from pvtt.params.file import load_params

if TYPE_CHECKING:
    import torch

LOG = "transformer_log.csv"


def train_base(workspace: Workspace, destination: Path, settings: TransformerTraining) -> None:
    """Train on the encoded samples of a workspace, and put the transformer into two pipeline folders: `destination`,
    and the workspace's own base. On a GPU if there is one; a stopped run continues.

    Raises:
        MissingInputError: `pvtt encode` has not run in the workspace.
        PvttError: A sample cannot be read, or the training split is empty.
    """
    import torch
    from diffusers import WanTransformer3DModel

    from pvtt.errors import PvttError

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoded = workspace.out("encode")
    latents, text = read_latents(EncodedDataset(encoded, "train"), device)
    held_out, held_out_text = read_latents(EncodedDataset(encoded, "val"), device)
    if not (len(latents) and len(held_out)):
        raise PvttError(f"{encoded} has no samples to train on, or none to measure on", "render more takes")
    directory = workspace.state / "wan_tiny"
    directory.mkdir(parents=True, exist_ok=True)
    train_transformer(latents, text, (held_out[:, 0], held_out_text), directory, settings)
    transformer = WanTransformer3DModel.from_pretrained(directory / "transformer", torch_dtype=torch.float16)
    own = workspace.root / load_params(workspace.params_file).model.base
    for folder in dict.fromkeys((own, destination)):
        with atomic_directory(folder / "transformer") as into:
            transformer.save_pretrained(into)
        forget_origin(folder)
        shutil.copyfile(directory / LOG, folder / "training" / LOG)


def read_latents(dataset: EncodedDataset, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """All latents (N, V, C, F', h, w) and texts (N, T, Dt) of samples with equally many variants."""
    import torch

    rows = [
        [dataset.read(index, variant) for variant in range(sample.num_variants)]
        for index, sample in enumerate(dataset.samples)
    ]
    if not rows:
        return torch.empty(0), torch.empty(0)
    latents = torch.stack([torch.cat([variant.latents for variant in row]) for row in rows])
    text = torch.cat([row[0].conditions.text for row in rows])
    return latents.to(device, torch.float32), text.to(device, torch.float32)
