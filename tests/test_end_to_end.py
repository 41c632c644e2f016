"""The whole pipeline on six real products, through the flow that `make run` runs, at the smallest settings.

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

import av
import pytest
from ruamel.yaml import YAML

from pvtt.stages.all import STAGE_NAMES

NUM_PRODUCTS = 6  # three for training, one for val, two for test
NUM_PHOTOS = 3  # of each product: the fewest that are let through
FILM_S = 4.5  # of each product's film: its first shot, and a piece of the second that is too short for a clip
SMALLEST: dict[str, dict[str, Any]] = {
    "clip": {"width": 240, "height": 160},
    "segment": {"key_frame_every": 48},
    "photos": {"size": 256},
    "validate": {"min_products": 6},
    "encode": {"variants": 1, "width": 96, "height": 64, "photo_size": 64},
    "evaluate": {
        "num_steps": 1,
        "max_clips_per_split": 1,
        "max_transfers": 2,
        "save_videos": 1,
        "bootstrap": 100,
        "min_n": 2,
        "min_products": 2,
    },
}
OF_THIS_RUN = ("PREFECT", "PVTT_CACHE_DIR", "OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")  # what names begin with
FEW_STEPS = {"steps": 2, "batch_size": 2, "warmup_steps": 1, "checkpoint_every": 1, "validate_every": 2}


def clone(project_root: Path, folder: Path, source: Path) -> Path:
    """A checkout of the project's commit, set to the smallest pipeline over the products in `source`."""
    subprocess.run(["git", "clone", "-q", str(project_root), str(folder)], check=True)
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text())
    params["crawl"] |= {"source": "folder", "start": str(source)}
    for section, values in SMALLEST.items():
        params[section] |= values
    params["train"] |= {"wandb": "disabled", "validation_pictures": 0}
    for stage in ("stage1", "stage2"):
        params["train"][stage] |= FEW_STEPS
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    return folder


def ran(checkout: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in a checkout, as a person whose environment names no other checkout would."""
    environment |= {name: value for name, value in os.environ.items() if not name.startswith(OF_THIS_RUN)}
    environment["PYTHONPATH"] = str(checkout)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def run(checkout: Path, *command: str, **environment: str) -> str:
    """The same; what it printed."""
    result = ran(checkout, *command, **environment)
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def source(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first products of the sample shop."""
    media = project_root / "pvtt" / "builtin" / "shop" / "site" / "media"
    folder = tmp_path_factory.mktemp("products")
    for number in range(1, NUM_PRODUCTS + 1):
        shutil.copytree(media / f"JEWE{number:03d}", folder / f"JEWE{number:03d}")
    for film in folder.glob("*/*.mp4"):
        shorten(film)
    for product in folder.iterdir():
        for photo in sorted(product.glob("*.jpg"))[NUM_PHOTOS:]:
            photo.unlink()
    return folder


def shorten(film: Path) -> None:
    """Keep the beginning of a film, packet by packet."""
    whole = film.rename(film.with_suffix(".whole"))
    with av.open(str(whole), format="mp4") as given, av.open(str(film), "w") as kept:
        target = kept.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.pts is not None and packet.time_base is not None and packet.pts * packet.time_base < FILM_S:
                packet.stream = target
                kept.mux(packet)
    whole.unlink()


@pytest.fixture(scope="module")
def checkout(project_root: Path, tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """A checkout in which the flow has run."""
    folder = clone(project_root, tmp_path_factory.mktemp("first") / "checkout", source)
    assert "report.html" in run(folder, "flows.pipeline", PVTT_DISPATCH="inline")
    return folder


@pytest.mark.timeout(1500)
def test_crawl_to_report_then_nothing_to_do(checkout: Path) -> None:
    assert (checkout / "outs" / "report" / "report.html").stat().st_size > 100_000
    decision = json.loads((checkout / "metrics" / "decision.json").read_text())
    assert decision["verdict"] in ("diverged", "capacity", "overfit", "flicker", "incomplete")
    metrics = json.loads((checkout / "metrics" / "evaluate.json").read_text())
    assert set(metrics) >= {"train", "val", "test"}
    assert metrics["test"]["clip_i"]["status"] == "not_measured"

    second = ran(checkout, "flows.pipeline", PVTT_DISPATCH="inline")
    told = second.stderr.splitlines()
    assert [line.split()[0] for line in told] == ["crawl", *STAGE_NAMES], second.stderr  # a line each, and nothing else
    assert not any(line.split()[1] == "done" for line in told), second.stderr
    assert f"verdict: {decision['verdict']}" in second.stdout
    # No Prefect server is needed: the flow brings one.
    assert (checkout / ".pvtt" / "prefect" / "prefect.db").is_file()


@pytest.mark.proof  # evaluation/test_places.py is the smaller version
@pytest.mark.timeout(1500)
def test_a_second_clone_makes_the_same_bytes(
    project_root: Path, checkout: Path, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A colleague pulls the data and reproduces, in two processes a stage instead of one: the same run id, and the
    same DVC objects in `dvc.lock`."""
    remote = tmp_path_factory.mktemp("remote")
    second = clone(project_root, tmp_path_factory.mktemp("second") / "another" / "place" / "pvtt", source)
    shutil.copy(checkout / "data.dvc", second)
    for folder, action in ((checkout, "push"), (second, "pull")):
        run(folder, "dvc", "remote", "add", "--local", "--default", "colleagues", str(remote))
        run(folder, "dvc", action, "data.dvc")

    run(second, "dvc", "--wait-for-lock", "repro", PVTT_DISPATCH="local:2")

    run_ids = [json.loads((one / "outs" / "evaluate" / "run.json").read_text())["run_id"] for one in (checkout, second)]
    assert run_ids[0] == run_ids[1]
    for name in ("dvc.lock", *(f"metrics/{path.name}" for path in sorted((checkout / "metrics").glob("*.json")))):
        assert (second / name).read_bytes() == (checkout / name).read_bytes(), name
