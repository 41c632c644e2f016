"""The whole pipeline on a dozen real products, through the flow that `make run` runs, at the smallest settings.

Nothing is stood in for: real decoding, masks, validation, training and evaluation of the shipped base model, real DVC,
real Prefect. What it cannot show at this size is quality; `make run` does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pvtt.stages import STAGES

NUM_PRODUCTS = 12
SMALLEST: dict[str, dict[str, Any]] = {
    "validate": {"min_products": 8},
    "encode": {"variants": 2},
    "evaluate": {"num_steps": 2, "max_clips_per_split": 3, "save_videos": 1, "bootstrap": 100, "min_n": 2},
}
FEW_STEPS = {"steps": 4, "batch_size": 4, "warmup_steps": 1, "checkpoint_every": 2, "validate_every": 4}


def run_flow(checkout: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    environment.pop("PREFECT_API_URL", None)
    result = subprocess.run(
        [sys.executable, "-m", "flows.pipeline"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def add_products(source: Path, media: Path, product_ids: list[str]) -> None:
    for product_id in product_ids:
        shutil.copytree(media / product_id, source / product_id)


@pytest.mark.timeout(1500)
def test_crawl_to_report_then_nothing_to_do(project_root: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", str(project_root), str(checkout)], check=True)
    media = project_root / "pvtt" / "builtin" / "shop" / "site" / "media"
    source = tmp_path / "products"
    source.mkdir()
    add_products(source, media, [f"JEWE{number:03d}" for number in range(1, NUM_PRODUCTS + 1)])

    yaml = YAML()
    params = yaml.load((checkout / "params.yaml").read_text())
    params["crawl"] |= {"source": "folder", "start": str(source)}
    for section, values in SMALLEST.items():
        params[section] |= values
    for stage in ("stage1", "stage2"):
        params["train"][stage] |= FEW_STEPS
    with (checkout / "params.yaml").open("w") as file:
        yaml.dump(params, file)

    first = run_flow(checkout)
    assert "report.html" in first
    assert (checkout / "outs" / "report" / "report.html").stat().st_size > 100_000
    decision = json.loads((checkout / "metrics" / "decision.json").read_text())
    assert decision["verdict"] in ("diverged", "capacity", "overfit", "flicker", "incomplete")
    metrics = json.loads((checkout / "metrics" / "evaluate.json").read_text())
    assert set(metrics) == {"train", "val", "test"}
    assert metrics["test"]["clip_i"]["status"] == "not_measured"

    second = run_flow(checkout)
    for stage in STAGES:
        assert not (f"{stage} " in second and "done  " in second.split(f"{stage} ", 1)[1].splitlines()[0]), second
