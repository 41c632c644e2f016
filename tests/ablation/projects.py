"""A project of drawn products and a random base, small enough to be trained and evaluated in seconds, and a file of two
rows and two seeds to try on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from pvtt.records.dataset import Split

ROOT = Path(__file__).resolve().parents[2]
PRODUCTS: dict[Split, dict[str, tuple[int, int, int]]] = {
    "train": {"RED001": (200, 40, 40), "GREEN002": (40, 160, 60), "BLUE003": (40, 60, 200)},
    "test": {"TEAL006": (30, 150, 150), "PLUM007": (120, 40, 130)},
}
ENCODE = {
    "num_frames": 5,
    "frame_stride": 2,
    "width": 48,
    "height": 32,
    "photo_size": 32,
    "max_photos": 2,
    "variants": 1,
    "text_tokens": 12,
}
STEPS = {
    "steps": 3,
    "batch_size": 2,
    "lr": 3e-3,
    "warmup_steps": 1,
    "checkpoint_every": 1,
    "validate_every": 3,
    "trainable": ["parts.*", "patch_embedding.*", "blocks.*"],
}
SPEC: dict[str, Any] = {
    "title": "Two rows",
    "says": "Whether tokens help.",
    "seeds": [0, 1],
    "metrics": ["product_psnr", "seam", "identity_top1", "lpips"],
    "fixed": ["evaluate.save_videos=1"],
    "reference": {"name": "frames", "label": "reference frames"},
    "axes": [
        {
            "name": "conditioning",
            "label": "Conditioning",
            "rows": [
                {
                    "name": "tokens",
                    "label": "product_tokens & K",
                    "set": ["model.conditioning=[mask_channels,product_tokens]"],
                }
            ],
        }
    ],
}


def small_values() -> dict[str, Any]:
    """The project's params at the size of the drawn products."""
    values: dict[str, Any] = json.loads(load_params(ROOT / "params.yaml").model_dump_json(by_alias=True))
    values["encode"] |= ENCODE
    values["model"] |= {"base": "models/base", "num_product_tokens": 6, "product_heads": 2}
    values["train"] |= {"start": "base", "precision": "fp32", "wandb": "disabled", "validation_pictures": 0}
    values["train"]["stage1"] = values["train"]["stage2"] = STEPS
    values["evaluate"] |= {"num_steps": 1, "batch_size": 2, "min_n": 2, "min_products": 2, "bootstrap": 100}
    return values


def build_project(root: Path) -> Path:
    """Everything that `pvtt ablate run` reads; returns the file of the ablation."""
    from tests.encoding.samples import (  # these import torch, which a test of the queue does without
        write_dataset,
        write_sample,
    )
    from tests.tiny_wan import build_tiny_base

    build_tiny_base(root / "models" / "base")
    entries = [
        write_sample(root, product_id, split, colour=colour)
        for split, products in PRODUCTS.items()
        for product_id, colour in products.items()
    ]
    write_dataset(Workspace(root), entries)
    (root / "params.yaml").write_text(json.dumps(small_values()))
    return write_spec(root)


def write_spec(root: Path, **changes: Any) -> Path:
    """The file of the ablation, with other values of some keys."""
    file = root / "two.yaml"
    file.write_text(json.dumps(SPEC | changes))
    return file
