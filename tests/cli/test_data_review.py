"""`pvtt data review`: the clips and photos that a person should look at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pvtt.cli.data import command
from pvtt.errors import MissingInputError
from pvtt.files.workspace import Workspace
from pvtt.media.masks import write_masks
from pvtt.media.video import write_video
from pvtt.records.base import write_jsonl
from pvtt.records.clips import Clip, Confidence, Mask, Photo, PhotoSet
from tests.scenes import add_product, draw_shot

SURE = Confidence(stability=1.0, agreement=1.0, area=1.0, border=1.0, objects=1.0, people=1.0)
COUNTS = {"num_frames": 8, "width": 192, "height": 128}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Three clips, one of them sure, and two photos, one of them sure."""
    (tmp_path / "params.yaml").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path)
    frames, shapes = draw_shot(0, 8)
    for stage in ("clip/videos", "segment/masks", "photos/photos/A"):
        (tmp_path / "outs" / stage).mkdir(parents=True)
    Image.fromarray(frames[0]).save(tmp_path / "front.png")
    products = [add_product(workspace, name, photos=[(tmp_path / "front.png").read_bytes()]) for name in "AB"]
    clips, masks = [], []
    for name, agreement in [("A", 0.75), ("B", 0.6), ("C", 1.0)]:
        clips.append(
            Clip(
                product_id=name, clip_id="001", category="bottle", caption="a bottle", path=f"videos/{name}_001.mp4",
                sha256="0" * 64, source_path=f"products/{name}/media/v.mp4", source_sha256="0" * 64,
                source_start_s=0, source_end_s=1, fps=8, **COUNTS,
            )
        )  # fmt: skip
        masks.append(
            Mask(
                product_id=name, clip_id="001", path=f"masks/{name}_001.mkv", sha256="0" * 64, clip_sha256="0" * 64,
                segmenter="u2netp-1+dis-1", area_min=0.1, area_mean=0.1, area_max=0.1, border_fraction=0, **COUNTS,
                confidence=SURE.model_copy(update={"agreement": agreement}),
                doubts=() if agreement == 1.0 else ("agreement",),
            )
        )  # fmt: skip
        write_video(workspace.out("clip") / clips[-1].path, frames, fps=8)
        write_masks(workspace.out("segment") / masks[-1].path, shapes, fps=8)
    photos = [
        Photo(
            path=f"photos/A/{number:02d}.png", sha256="0" * 64, source_path=products[0].photos[0].path,
            source_sha256="0" * 64, perceptual_hash="0" * 16, area=0.2, doubts=doubts,
        )
        for number, doubts in enumerate([("cut_off", "unsure"), ()], 1)
    ]  # fmt: skip
    for photo in photos:
        Image.fromarray(np.dstack([frames[0], shapes[0]])).save(workspace.out("photos") / photo.path)
    write_jsonl(workspace.out("clip") / "clips.jsonl", clips)
    write_jsonl(workspace.out("segment") / "masks.jsonl", masks)
    write_jsonl(
        workspace.out("photos") / "photos.jsonl", [PhotoSet(product_id="A", category="bottle", photos=tuple(photos))]
    )
    return workspace


def run(*args: str) -> str:
    result = CliRunner().invoke(command, ["review", *args], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_doubtful_are_listed_the_least_sure_first_with_files_that_are_there(project: Workspace) -> None:
    listed = json.loads(run("--list", "--json"))
    assert [(one["name"], one["doubts"], one["confidence"]) for one in listed] == [
        ("B_001", ["agreement"], 0.6),
        ("A_001", ["agreement"], 0.75),
        ("photos/A/01.png", ["cut_off", "unsure"], None),
    ]
    for one in listed:
        assert (project.root / one["picture"]).is_file()
        assert (project.root / one["result"]).is_file()
    assert (project.data / listed[-1]["source"]).is_file()
    lines = run("--list").splitlines()
    assert len(lines) == 4
    assert "cut_off, unsure" in lines[-1]
    assert run("--list") == run()


def test_only_the_products_asked_for_are_listed(project: Workspace) -> None:
    assert [one["name"] for one in json.loads(run("A", "--json"))] == ["A_001", "photos/A/01.png"]
    with pytest.raises(MissingInputError, match="Z"):
        run("Z")


def test_nothing_doubtful_is_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    assert run().strip() == "nothing"
    assert json.loads(run("--json")) == []


def test_they_are_drawn_with_their_outlines_and_what_cannot_be_read_is_told(project: Workspace) -> None:
    assert "3 of 3 doubtful, page 1 of 1" in run("--out", "sheet.png")
    pixels = np.asarray(Image.open("sheet.png"))
    outline = (pixels == (255, 0, 220)).all(axis=-1)
    assert outline[: len(outline) // 2].sum() > 500
    (project.out("segment") / "masks" / "B_001.mkv").write_bytes(b"no video")
    run("--out", "sheet.png")
    assert (np.asarray(Image.open("sheet.png")) != pixels).any()
    with pytest.raises(MissingInputError, match="page 2"):
        run("--out", "sheet.png", "--page", "2")
