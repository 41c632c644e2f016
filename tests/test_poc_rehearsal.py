"""The profile poc from crawl to report, on a real Slurm, with small random networks in the published layouts.

What the profile names is there and is loaded as a downloaded network would be: a Wan2.1 folder, Grounding DINO, SAM 2,
CLIP, DINOv2 and LPIPS's trunk. Sizes and numbers of steps are reduced, and the limits of segment stand open, since
random networks follow nothing. It shows no quality, and no memory or time of the real ones (docs/plan.md).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pvtt.dispatch.ledger import Ledger
from pvtt.dispatch.profile import SlurmProfile
from tests.random_trunks import save_trunk
from tests.small_networks import save_clip, save_dino, save_grounding_dino, save_sam2
from tests.test_end_to_end import FEW_STEPS, run, shorten
from tests.tiny_wan import build_tiny_base

PRODUCTS = ("JEWE001", "JEWE002", "JEWE003", "JEWE004", "JEWE005", "JEWE006")  # three to learn from
NUM_PHOTOS = 3
IN_SHARDS = ("clip", "segment", "photos", "validate_looks", "encode", "evaluate")
AS_ONE_JOB = ("train_stage1", "train_stage2")
# What the profile has otherwise. Limits of segment: a random mask is no product's.
REDUCED: dict[str, dict[str, Any]] = {
    "clip": {"min_short_side": 480, "width": 240, "height": 160, "fps": 8.0},
    "segment": {
        "key_frame_every": 48,
        "min_area": 0.0,
        "max_area": 1.0,
        "max_border": 1.0,
        "max_products": 100,
        "min_confidence": 0.0,
    },
    "photos": {"size": 256},
    "validate": {"min_products": len(PRODUCTS)},
    "encode": {"num_frames": 5, "width": 96, "height": 64, "photo_size": 64, "variants": 2},
    "evaluate": {
        "num_steps": 2,
        "seeds": 2,
        "max_clips_per_split": 2,
        "max_transfers": 2,
        "save_videos": 1,
        "bootstrap": 100,
        "min_n": 2,
        "min_products": 2,
    },
}


def save_networks(models: Path) -> None:
    """Everything that the profile poc names, each at its place."""
    # As many heads as Wan2.1-T2V-1.3B has.
    build_tiny_base(models / "wan2.1-t2v-1.3b", "wan2.1", num_attention_heads=12)
    save_grounding_dino(models / "grounding-dino-base")
    save_sam2(models / "sam2.1-hiera-large", sees=True)
    save_clip(models / "clip-vit-base-patch32")
    save_dino(models / "dinov2-base")
    (models / "torchvision").mkdir()
    save_trunk("alex", models / "torchvision").rename(models / "torchvision" / "alexnet-owt-7be5be79.pth")


def save_products(media: Path, folder: Path) -> None:
    """A folder with the beginnings of the products' films, and their first photos."""
    for product in PRODUCTS:
        shutil.copytree(media / product, folder / product)
        for photo in sorted((folder / product).glob("*.jpg"))[NUM_PHOTOS:]:
            photo.unlink()
    for film in folder.glob("*/*.mp4"):
        shorten(film)


def prepare(project_root: Path, folder: Path) -> Path:
    """A checkout of the project's commit that is set to the reduced profile, with its networks; returns it."""
    checkout = folder / "checkout"
    subprocess.run(["git", "clone", "-q", str(project_root), str(checkout)], check=True)
    products = folder / "products"
    save_products(project_root / "pvtt" / "builtin" / "shop" / "site" / "media", products)
    run(checkout, "pvtt.cli", "params", "--profile", "poc")
    yaml = YAML()
    params = yaml.load((checkout / "params.yaml").read_text())
    params["crawl"] |= {"source": "folder", "start": str(products)}
    for section, values in REDUCED.items():
        params[section] |= values
    params["train"] |= {"wandb": "disabled", "validation_pictures": 1}
    for stage in ("stage1", "stage2"):
        params["train"][stage] |= FEW_STEPS
    with (checkout / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    save_networks(checkout / "models")
    return checkout


@pytest.mark.proof  # test_end_to_end.py is the tiny profile without a cluster
@pytest.mark.timeout(3600)
def test_the_poc_profile_from_crawl_to_report_over_slurm(
    project_root: Path, slurm_cluster: SlurmProfile, tmp_path: Path
) -> None:
    checkout = prepare(project_root, tmp_path)
    said = run(checkout, "flows.pipeline", PVTT_DISPATCH="infra/slurm/local.yaml")
    assert "report.html" in said

    sent = Ledger(checkout / ".pvtt" / "slurm" / "jobs.sqlite").submissions()
    assert {each.stage: each.kind for each in sent} == dict.fromkeys(IN_SHARDS, "map") | dict.fromkeys(
        AS_ONE_JOB, "run"
    )
    assert {each.state for each in sent} == {"done"}
    masks = (checkout / "outs" / "segment" / "masks.jsonl").read_text().splitlines()
    assert {json.loads(line)["segmenter"] for line in masks} == {"grounding-dino-1+sam2-1"}
    metrics = json.loads((checkout / "metrics" / "evaluate.json").read_text())
    assert {metrics["test"][name]["status"] for name in ("clip_i", "dino", "lpips")} <= {"pass", "fail", "measured"}
    assert metrics["test"]["fvd"]["status"] == "not_measured"  # the profile names no I3D
    assert (checkout / "outs" / "report" / "report.html").stat().st_size > 100_000
