"""`pvtt data` in a checkout with Git and DVC."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from pvtt.cli.data import command
from pvtt.crawl import crawl
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.records.base import write_jsonl
from pvtt.records.catalog import Reject, read_catalog
from pvtt.records.clips import Clip
from tests.crawl.site import photo_bytes, video_bytes
from tests.run_dvc import run_dvc


def crawl_folder(workspace: Workspace, folder: Path, products: dict[str, int]) -> None:
    for name, seed in products.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "v.mp4").write_bytes(video_bytes(seed))
        (folder / name / "front.jpg").write_bytes(photo_bytes(seed))
    about = {"title": "Gold ring\nwith a very long name that goes on and on", "category": "ring", "license": "CC0"}
    (folder / "ring" / "product.json").write_text(json.dumps(about))
    params = CrawlParams(source="folder", start=str(folder), max_failed_fraction=1.0)
    crawl(workspace, params)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "params.yaml").write_text("{}\n")
    workspace = Workspace(root)
    crawl_folder(workspace, tmp_path / "mine", {"ring": 1, "mug": 2, "cup": 3})
    film = read_catalog(workspace.data)["ring"].videos[0]
    clip = Clip(
        product_id="ring",
        clip_id="001",
        category="ring",
        caption="a ring",
        path="videos/ring_001.mp4",
        sha256="0" * 64,
        source_path=film.path,
        source_sha256=film.sha256,
        source_start_s=0,
        source_end_s=3,
        num_frames=24,
        fps=8,
        width=64,
        height=48,
    )
    reject = Reject(stage="clip", item="mug/v.mp4#1", product_id="mug", reason="too_short", message="0.5 s")
    for name, records in (("clips", [clip]), ("rejects", [reject])):
        write_jsonl(workspace.out("clip") / f"{name}.jsonl", records)
    return root


def data(project: Path, *arguments: str) -> str:
    with contextlib.chdir(project):
        return CliRunner().invoke(command, arguments, catch_exceptions=False).stdout


def test_every_product_is_a_line_with_how_far_it_came(project: Path) -> None:
    lines = data(project, "ls").splitlines()
    assert lines[0].split()[:4] == ["product", "category", "source", "videos"]
    assert [line.split()[0] for line in lines[1:]] == ["cup", "mug", "ring"]
    listed = {line["product"]: line for line in json.loads(data(project, "ls", "--json"))}
    assert (listed["ring"]["state"], listed["ring"]["clips"], listed["cup"]["state"]) == ("clipped", 1, "crawled")
    assert listed["mug"]["rejects"] == 1
    assert [line["product"] for line in json.loads(data(project, "ls", "--category", "ring", "--json"))] == ["ring"]
    assert data(project, "ls", "--split", "test") == "nothing\n"


def test_one_product_is_shown_with_its_files_clips_and_rejects(project: Path) -> None:
    shown = data(project, "show", "ring")
    assert "Gold ring" in shown
    assert "clip ring_001  0.0-3.0 s, no mask" in shown
    assert "clip turned away mug/v.mp4#1: too_short: 0.5 s" in data(project, "show", "mug")
    assert json.loads(data(project, "show", "ring", "--json"))["product"]["license"] == "CC0"
    with pytest.raises(MissingInputError, match="no product rings") as error:
        data(project, "show", "rings")
    assert error.value.hint == "did you mean ring?"


def test_it_is_counted(project: Path) -> None:
    found = json.loads(data(project, "stats", "--json"))
    assert (found["num_products"], found["num_videos"], found["num_photos"], found["clip_s"]) == (3, 3, 3, 3.0)
    assert found["categories"] == {"uncategorised": 2, "ring": 1}
    assert found["licenses"] == {"none named": 2, "CC0": 1}
    assert found["rejects"] == {"clip": {"too_short": 1}}
    assert "clip turned away: too_short 1" in data(project, "stats")


def test_taken_out_listed_and_let_in_again(project: Path) -> None:
    photo = read_catalog(project / "data")["ring"].photos[0].path
    assert "mug" in data(project, "forget", "mug", "--reason", "the owner asked")
    data(project, "reject", photo, "--reason", "blurred")
    taken = json.loads(data(project, "ls", "--forgotten", "--json"))
    assert [(one["product_id"], one["path"], one["reason"]) for one in taken] == [
        ("mug", None, "the owner asked"),
        ("ring", photo, "blurred"),
    ]
    assert "the owner asked" in data(project, "ls", "--forgotten")
    assert json.loads(data(project, "stats", "--json"))["num_forgotten"] == 2
    data(project, "restore", "mug", "ring")
    assert data(project, "ls", "--forgotten") == "nothing\n"


def test_a_sheet_shows_films_and_photos_and_says_what_cannot_be_read(project: Path, tmp_path: Path) -> None:
    film = read_catalog(project / "data")["mug"].videos[0]
    (project / "data" / film.path).write_bytes(b"no film")
    assert "3 of 3 products, page 1 of 1" in data(project, "sheet", "--out", str(tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        width, height = sheet.size
        colours = [len(sheet.crop((240, top, width, top + 132)).getcolors(100_000) or ()) for top in (16, 154, 292)]
    assert height > 3 * 132
    assert min(colours) > 300  # pictures of noise
    with pytest.raises(MissingInputError, match="there is no page 2"):
        data(project, "sheet", "--out", str(tmp_path / "other.png"), "--page", "2")
    assert not (tmp_path / "other.png").exists()


def test_versions_are_compared_product_by_product(project: Path, tmp_path: Path) -> None:
    def run(*command: str) -> None:
        subprocess.run(command, cwd=project, check=True, capture_output=True)

    run("git", "init", "-q")
    run("git", "config", "user.email", "a@b.c")
    run("git", "config", "user.name", "a")
    run_dvc(project, "init", "-q")
    run_dvc(project, "add", "-q", "data")
    run("git", "add", "-A", ":!outs")
    run("git", "commit", "-qm", "data")
    assert data(project, "diff") == ""
    photo = Path(read_catalog(project / "data")["ring"].photos[0].path).name
    data(project, "forget", "mug", "--reason", "x")
    data(project, "reject", f"products/ring/media/{photo}", "--reason", "x")
    crawl_folder(Workspace(project), tmp_path / "mine", {"pin": 4})
    assert data(project, "diff").splitlines() == ["+ pin", "- mug", f"~ ring  - media/{photo}, ~ product.json"]
    assert json.loads(data(project, "diff", "HEAD", "--json"))["gone"] == ["mug"]
    with pytest.raises(PvttError, match="DVC cannot compare data/ with nowhere") as error:
        data(project, "diff", "nowhere")
    assert "git log" in (error.value.hint or "")
