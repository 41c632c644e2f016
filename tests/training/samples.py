"""A workspace with a random tiny base and a small synthetic `outs/encode` whose photos tell what is in the hole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from pvtt.encoding.store import write_tensors
from pvtt.files.workspace import Workspace
from pvtt.models.contracts import Contracts
from pvtt.params.file import Params, load_params, parse_params
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import FOREIGN_FILE, EncodedSample, ForeignSample, Split
from tests.encoding.samples import tiny_encode_params
from tests.tiny_wan import TEXT_DIM, build_tiny_base

PROJECT = Path(__file__).resolve().parents[2]
LATENT_SHAPE = (16, 3, 4, 6)
TEXT_TOKENS = 12


@dataclass(frozen=True)
class Shape:
    """What makes a sample large or small."""

    latents: tuple[int, int, int, int] = LATENT_SHAPE
    photo: tuple[int, int] = (4, 4)  # latents
    text: tuple[int, int] = (TEXT_TOKENS, TEXT_DIM)


ADAPTER = ("parts.*", "blocks.*.parts.*")


def tiny_params(
    steps: int = 6, stage: dict[str, Any] | None = None, conditioning: Sequence[str] | None = None, **train: Any
) -> Params:
    """The project's params, shrunk. `stage` changes both stages' settings, `train` their common ones."""
    values = json.loads(load_params(PROJECT / "params.yaml").model_dump_json(by_alias=True))
    values["encode"] = json.loads(tiny_encode_params().to_json())
    values["model"] = {"base": "models/base", "num_product_tokens": 6, "product_heads": 2}
    if conditioning is not None:
        values["model"]["conditioning"] = list(conditioning)
        values["encode"]["image_features"] = "clip_dino" if "dual_encoder" in conditioning else "vae"
    common = {
        "steps": steps,
        "batch_size": 4,
        "lr": 3e-3,
        "warmup_steps": 1,
        "checkpoint_every": 2,
        "validate_every": 3,
    }
    common |= stage or {}
    values["train"] |= {"start": "base", "precision": "fp32", "wandb": "disabled", "validation_pictures": 0} | train
    values["train"]["stage1"] = {"trainable": ADAPTER} | common
    values["train"]["stage2"] = {"trainable": ("parts.*", "patch_embedding.*", "blocks.*")} | common
    return parse_params(values)


def sample_tensors(
    random: np.random.Generator, num_variants: int, num_views: int, shape: Shape, extras: bool = False
) -> dict[str, torch.Tensor]:
    """The product's colour, a vector of the latents' channels, fills a box and every photo.

    With `extras` all is there that any part reads: a template with another product, VACE's streams, networks' tokens.
    """

    def normal(*size: int) -> torch.Tensor:
        return torch.from_numpy(random.standard_normal(size, dtype=np.float32))

    channels, frames, height, width = shape.latents
    colour = normal(num_variants, channels)
    region = torch.zeros(num_variants, 1, frames, height, width)
    region[..., 1:3, 2:5] = 1
    background = 0.3 * normal(num_variants, *shape.latents)
    latents = torch.where(region > 0, colour[:, :, None, None, None], background)
    photos = colour[:, None, :, None, None].expand(-1, num_views, -1, *shape.photo).contiguous()
    tensors = {
        "latents": latents,
        "masked_latents": latents * (1 - region),
        "mask": region.expand(-1, 4, -1, -1, -1).contiguous(),
        "region": region,
        "photo_latents": photos,
        "text": normal(*shape.text),
        # Pasted a row too high, so that it is no answer.
        "collage_latents": torch.where(region.roll(-1, -2) > 0, colour[:, :, None, None, None], latents * (1 - region)),
        "collage_mask": region.roll(-1, -2).expand(-1, 4, -1, -1, -1).contiguous(),
    }
    if extras:
        other = normal(num_variants, channels)
        canvases = colour[:, None, :, None, None].expand(-1, num_views, -1, height, width)
        tensors |= {
            "template_latents": torch.where(region > 0, other[:, :, None, None, None], background),
            "context_mask": region.expand(-1, 64, -1, -1, -1).contiguous(),
            "reactive_latents": torch.zeros_like(latents),
            "canvas_latents": canvases.contiguous(),
            "image_tokens": colour[:, None, None].expand(-1, num_views, 5, -1).contiguous(),
            "dino_tokens": colour[:, None, None, :8].expand(-1, num_views, 4, -1).contiguous(),
        }
    return tensors


def write_encoded(
    folder: Path,
    num_samples: dict[Split, int] | None = None,
    num_variants: int = 3,
    max_views: int = 3,
    shape: Shape | None = None,
    extras: bool = False,
) -> list[EncodedSample]:
    """Write an `outs/encode` folder."""
    records: list[EncodedSample] = []
    shape = shape or Shape()
    splits: dict[Split, int] = {"train": 6, "val": 2, "test": 1} if num_samples is None else num_samples
    (folder / "samples").mkdir(parents=True)
    for split, count in splits.items():
        for number in range(count):
            product_id = f"{split.upper()}{number:03d}"
            variants = num_variants if split == "train" else 1
            views = 1 + number % max_views
            random = np.random.default_rng(len(records))
            path = f"samples/{product_id}_001.safetensors"
            write_tensors(folder / path, sample_tensors(random, variants, views, shape, extras))
            records.append(
                EncodedSample(
                    split=split,
                    product_id=product_id,
                    clip_id="001",
                    category="box",
                    caption="a box",
                    path=path,
                    num_variants=variants,
                    num_views=views,
                    latent_shape=shape.latents,
                    num_windows=1,
                    photo_paths=(),
                    photo_sha256s=(),
                )
            )
    write_jsonl(folder / "encoded.jsonl", records)
    Contracts.from_params(tiny_encode_params()).save(folder)
    return records


def write_foreign(folder: Path, num_clips: int = 2, shape: Shape | None = None) -> None:
    """Foreign clips in an `outs/encode` folder."""
    shape = shape or Shape()
    samples = []
    for number in range(num_clips):
        random = np.random.default_rng([7, number])
        tensors = {
            "latents": torch.from_numpy(random.standard_normal((2, *shape.latents), dtype=np.float32)),
            "text": torch.from_numpy(random.standard_normal(shape.text, dtype=np.float32)),
        }
        name = f"street-{number}"
        save_file(tensors, folder / "samples" / f"foreign-{name}.safetensors")
        samples.append(
            ForeignSample(
                name=f"{name}.mp4",
                caption="a street",
                path=f"samples/foreign-{name}.safetensors",
                num_variants=2,
                latent_shape=shape.latents,
            )
        )
    write_jsonl(folder / FOREIGN_FILE, samples)


def build_workspace(root: Path) -> Workspace:
    """A workspace in which `train_stage1` can run."""
    workspace = Workspace(root)
    build_tiny_base(root / "models" / "base")
    write_encoded(workspace.out("encode"))
    return workspace
