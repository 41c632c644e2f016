"""The default run in a clone of the project: what it takes, that it learns, and what is done again after a change.

`pytest tests/benchmarks/test_default_run.py -s` prints the figures; a quarter of an hour.
`PVTT_DEFAULT_RUN=/some/folder` keeps the clone there, and takes up one that is there already.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pvtt.builtin.shop.catalog import FPS
from pvtt.dispatch.command import command_environment
from pvtt.files.workspace import Workspace
from pvtt.media.video import iter_frames, write_video
from pvtt.stages.all import STAGE_NAMES

pytestmark = pytest.mark.timeout(3600)
ORIGINAL, ADDED = "MUGS007", "MUGS900"


@dataclass(frozen=True)
class Clone:
    """A checkout that the pipeline runs in, and the seconds that its runs took."""

    workspace: Workspace
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, *command: str) -> str:
        environment = command_environment() | {"PYTHONPATH": str(self.workspace.root), "COLUMNS": "120"}
        environment.pop("PREFECT_API_URL", None)
        start = time.monotonic()
        result = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.workspace.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.seconds[name] = time.monotonic() - start
        assert result.returncode == 0, result.stdout + result.stderr
        print(f"\n{name}: {self.seconds[name]:.0f} s\n{result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def metrics(self, split: str) -> dict[str, dict[str, Any]]:
        values: dict[str, dict[str, dict[str, Any]]] = json.loads(
            (self.workspace.metrics / "evaluate.json").read_text()
        )
        return values[split]


@pytest.fixture(scope="module")
def clone(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    kept = os.environ.get("PVTT_DEFAULT_RUN")
    root = Path(kept) if kept else tmp_path_factory.mktemp("default_run") / "pvtt"
    if not root.is_dir():
        subprocess.run(["git", "clone", "-q", str(project_root), str(root)], check=True)
    made = Clone(Workspace(root))
    made.run("first run", "flows.pipeline")
    yield made
    print("\n" + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in made.seconds.items()))


def test_it_shows_the_verdict_and_where_the_report_is(clone: Clone) -> None:
    decision = json.loads((clone.workspace.metrics / "decision.json").read_text())
    assert decision["verdict"] != "diverged"
    assert decision["next_steps"]
    assert (clone.workspace.out("report") / "report.html").is_file()


def test_it_learns_to_show_products_that_it_has_never_seen(clone: Clone) -> None:
    for split in ("train", "val", "test"):
        values = clone.metrics(split)
        for name in (
            "identity_top1",
            "product_psnr",
            "untrained_gain",
            "mean_fill_gain",
            "swap_gain",
        ):
            value = values[name]
            chance = f", chance {value['chance']:.3f}" if "chance" in value else ""
            print(f"\n{split} {name}: {value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]{chance}", end="")
    test = clone.metrics("test")
    assert test["identity_top1"]["low"] > test["identity_top1"]["chance"]
    assert test["swap_gain"]["low"] > 0
    assert test["untrained_gain"]["low"] > 0
    assert test["mean_fill_gain"]["value"] > 0


def test_a_second_run_has_nothing_to_do(clone: Clone) -> None:
    output = clone.run("second run", "flows.pipeline")
    assert all(re.search(rf"^{stage} +up to date", output, re.MULTILINE) for stage in STAGE_NAMES)


def test_one_more_product_costs_one_products_work(clone: Clone) -> None:
    clips = clone.workspace.out("clip") / "clips.jsonl"
    before = clips.read_text().splitlines()
    add_product(clone.workspace.root / "pvtt" / "builtin" / "shop" / "site")

    clone.run("ingest of one more product", "flows.ingest")
    new_items = {}
    for stage in ("clip", "segment", "photos", "validate", "encode"):
        output = clone.run(f"{stage} of one more product", "dvc", "repro", "--single-item", stage)
        told = re.search(rf"^{stage}: (\d+) of \d+ items were new", output, re.MULTILINE)
        if told is not None:  # validate works on the whole dataset
            new_items[stage] = int(told[1])

    new_clips = [line for line in clips.read_text().splitlines() if line not in before]
    assert all(ADDED in line for line in new_clips)
    assert new_items == {"clip": 1, "segment": len(new_clips), "photos": 1, "encode": len(new_clips)}


def add_product(site: Path) -> None:
    """Put a product with a page, photos and a film of its own into the shop: a known one with other colours."""

    def recoloured(picture: Any) -> Any:
        return np.ascontiguousarray(picture[..., ::-1])

    folder = site / "media" / ADDED
    folder.mkdir()
    for photo in sorted((site / "media" / ORIGINAL).glob("photo-*.jpg")):
        cv2.imwrite(str(folder / photo.name), recoloured(cv2.imread(str(photo))))
    for film in sorted((site / "media" / ORIGINAL).glob("video-*.mp4")):
        write_video(folder / film.name, map(recoloured, iter_frames(film)), FPS)
    page = (site / "products" / f"{ORIGINAL.lower()}.html").read_text()
    (site / "products" / f"{ADDED.lower()}.html").write_text(page.replace(ORIGINAL, ADDED))
    index = site / "category" / "mug.html"
    link = f'<a class="card" href="/products/{ORIGINAL.lower()}.html">'
    text = index.read_text()
    index.write_text(text.replace(link, link.replace(ORIGINAL.lower(), ADDED.lower()) + "new</a>\n" + link, 1))
