"""Public datasets in their own layouts, drawn small: what becomes of them, and what a crawl takes of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pvtt.cli.import_layout import LAYOUTS as NAMES
from pvtt.cli.import_layout import command
from pvtt.crawl import crawl
from pvtt.dataset.layouts import convert
from pvtt.dataset.public import LAYOUTS
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.media.video import probe, read_video, write_video
from pvtt.params.crawl import CrawlParams
from pvtt.records.base import read_jsonl
from pvtt.records.catalog import Reject, read_catalog
from tests.scenes import draw_shot


def draw(folder: Path, count: int, step: int = 1, seed: int = 0, suffix: str = ".jpg") -> Path:
    frames, masks = draw_shot(seed, count)
    for index in range(count):
        for name, picture in (("JPEGImages", frames[index][..., ::-1]), ("Annotations", masks[index])):
            kind = suffix if name == "JPEGImages" else ".png"
            path = Path(str(folder).replace("JPEGImages", name)) / f"{index * step:05d}{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    return folder


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    root = tmp_path / "DAVIS"
    for seed, name in enumerate(("bear", "gold-fish")):
        draw(root / "JPEGImages" / "480p" / name, 5, seed=seed)
    return root


def test_davis_sequences_become_films_that_a_crawl_takes(davis: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        command, [str(davis), "--layout", "davis", "--to", str(tmp_path / "products")], catch_exceptions=False
    )
    assert "2 products; masks are made anew by `pvtt segment`" in result.stdout
    film = tmp_path / "products" / "bear" / "film.mp4"
    info = probe(film)
    assert (info.width, info.height, info.rate) == (192, 128, 24)
    frames, _ = draw_shot(0, 5)
    assert np.abs(read_video(film).astype(int) - frames).mean() < 6

    workspace = Workspace(tmp_path / "project")
    crawl(workspace, CrawlParams(source="folder", start=str(tmp_path / "products")))
    catalog = read_catalog(workspace.data)
    assert {product.title for product in catalog.values()} == {"bear", "gold fish"}
    assert all(len(product.videos) == 1 for product in catalog.values())


def test_of_several_resolutions_the_largest_is_taken(davis: Path, tmp_path: Path) -> None:
    draw(davis / "JPEGImages" / "Full-Resolution" / "camel", 3)
    convert("davis", davis, tmp_path / "products")
    assert {path.name for path in (tmp_path / "products").iterdir()} == {"camel", "rejects.jsonl"}


def test_youtube_vos_gives_category_and_rate(tmp_path: Path) -> None:
    root = tmp_path / "YouTube-VOS"
    draw(root / "train" / "JPEGImages" / "003234408d", 4, step=5)
    draw(root / "train" / "JPEGImages" / "0043f083b5", 4)
    kinds = {"003234408d": ["penguin", "penguin"], "0043f083b5": ["sedan", "person"]}
    videos = {
        name: {"objects": {str(number): {"category": kind} for number, kind in enumerate(of_video)}}
        for name, of_video in kinds.items()
    }
    (root / "train" / "meta.json").write_text(json.dumps({"videos": videos}))
    convert("youtube-vos", root, tmp_path / "products")
    rates = {name: probe(tmp_path / "products" / name / "film.mp4").rate for name in kinds}
    assert rates == {"003234408d": 6, "0043f083b5": 30}
    details = {name: json.loads((tmp_path / "products" / name / "product.json").read_text()) for name in kinds}
    assert {name: one["category"] for name, one in details.items()} == {
        "003234408d": "penguin",
        "0043f083b5": "uncategorised",
    }


def test_dreambooth_gives_photos_without_films(tmp_path: Path) -> None:
    root = tmp_path / "dreambooth"
    for subject in ("backpack", "cat2"):
        for number in range(3):
            (root / "dataset" / subject).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), (number, 80, 90)).save(root / "dataset" / subject / f"{number:02d}.jpg")
    listing = "Classes\nsubject_name,class\nbackpack,backpack\ncat2,cat\n\nPrompts\n"
    (root / "dataset" / "prompts_and_classes.txt").write_text(listing)
    converted = convert("dreambooth", root, tmp_path / "products")
    assert (converted.num_products, converted.num_films) == (2, 0)
    assert json.loads((tmp_path / "products" / "cat2" / "product.json").read_text())["category"] == "cat"
    assert len(list((tmp_path / "products" / "cat2").glob("photo-*.jpg"))) == 3


def test_vpdata_gives_the_listed_spans_of_films_with_what_is_said_of_them(tmp_path: Path) -> None:
    root, (frames, _) = tmp_path / "data", draw_shot(0, 12)
    films = {
        "000005000000.0.mp4": root / "videovo" / "raw_video" / "000005000",
        "000000000000_852038.mp4": root / "pexels" / "pexels" / "raw_video" / "000000000",
    }
    for name, folder in films.items():
        folder.mkdir(parents=True)
        write_video(folder / name, frames, 24)
    rows = [
        "path,mask_id,start_frame,end_frame,fps,caption",
        '000005000000.0.mp4,1,2,8,24,"A ring, turning"',
        "000005000000.0.mp4,2,2,8,24,The same span",
        "000005000000.0.mp4,1,6,12,24,",
        "000000000000_852038.mp4,1,0,5,12.5,A mug",
        "000005000001.0.mp4,1,0,5,24,not downloaded",
        "../../../etc/passwd,1,0,5,24,none",
    ]
    (root / "pexels_videovo_train_dataset.csv").write_text("\n".join(rows) + "\n")
    (root / "notes.csv").write_text("a,b\n1,2\n")
    converted = convert("vpdata", root, tmp_path / "products")
    assert (converted.num_products, converted.num_films) == (2, 2)
    ring = tmp_path / "products" / "000005000000-0-mp4"
    assert [len(read_video(ring / f"film-{number:02d}.mp4")) for number in (1, 2)] == [6, 6]
    assert np.abs(read_video(ring / "film-02.mp4").astype(int) - frames[6:]).mean() < 8
    assert json.loads((ring / "product.json").read_text())["description"] == "A ring, turning"
    assert probe(tmp_path / "products" / "000000000000-852038-mp4" / "film-01.mp4").rate == 12.5
    names = ["../../../etc/passwd", "000005000001.0.mp4"]
    assert [(one.item, one.reason) for one in converted.rejects] == [(name, "bad_row") for name in names]


@pytest.mark.parametrize(
    ("span", "reason"), [("0,50,24", "frame_count"), ("5,5,24", "bad_row"), ("0,5,", "bad_row"), ("0,5,nan", "bad_row")]
)
def test_a_span_that_a_film_has_not_is_a_reject(span: str, reason: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    folder = root / "videovo" / "raw_video" / "000005000"
    folder.mkdir(parents=True)
    rows = ["path,start_frame,end_frame,fps", f"000005000000.0.mp4,{span}", "000005000001.0.mp4,0,5,24"]
    for name in ("000005000000.0.mp4", "000005000001.0.mp4"):
        write_video(folder / name, draw_shot(0, 6)[0], 24)
    (root / "list.csv").write_text("\n".join(rows))
    assert [one.reason for one in convert("vpdata", root, tmp_path / "products").rejects] == [reason]


def opens2v_clip(path: str, **changes: object) -> dict[str, object]:
    metadata = {"path": path, "face_cut": [2, 8], "crop": [10, 181, 0, 100], "fps": 24.0, "face_cap_qwen": "A mug"}
    masks = {"1": {"class_name": "mug"}, "2": {"class_name": "mug"}}
    return {"metadata": metadata | changes, "annotation": {"mask_map": masks}}


def test_opens2v_gives_the_clips_of_films_cropped_with_caption_and_category(tmp_path: Path) -> None:
    root, (frames, _) = tmp_path / "OpenS2V", draw_shot(0, 12)
    for name in ("a/one.mp4", "b/two.mp4"):
        (root / "Videos" / "part1" / name).parent.mkdir(parents=True)
        write_video(root / "Videos" / "part1" / name, frames, 24)
    (root / "Jsons").mkdir()
    clips = {
        "one_segment_2": opens2v_clip("a/one.mp4"),
        "one_segment_1": opens2v_clip("a/one.mp4", face_cut=[0, 5], fps=12.5),
        "two": opens2v_clip("b/two.mp4", crop=[0, 500, 0, 100]),
        "three": opens2v_clip("c/three.mp4"),
        "four": opens2v_clip("../../../outside.mp4"),
        "five": opens2v_clip("b/two.mp4", crop="none"),
    }
    (root / "Jsons" / "part1.json").write_text(json.dumps(clips))
    (root / "Jsons" / "pairs.json").write_text(json.dumps({"one": ["part1/one_segment_1"]}))
    converted = convert("opens2v", root, tmp_path / "products")
    assert (converted.num_products, converted.num_films) == (1, 1)
    assert [one.reason for one in converted.rejects] == ["bad_row"] * 3
    films = [read_video(tmp_path / "products" / "one" / f"film-0{number}.mp4") for number in (1, 2)]
    assert [film.shape for film in films] == [(5, 100, 170, 3), (6, 100, 170, 3)]
    assert np.abs(films[1].astype(int) - frames[2:8, :100, 10:180]).mean() < 8
    details = json.loads((tmp_path / "products" / "one" / "product.json").read_text())
    assert details == {"title": "one", "category": "mug", "description": "A mug"}


def test_a_crop_that_a_film_has_not_is_a_reject(tmp_path: Path) -> None:
    root = tmp_path / "OpenS2V"
    clips = {}
    for name, crop in (("one", [0, 193, 0, 100]), ("two", [0, 192, 0, 100])):
        (root / "Videos").mkdir(parents=True, exist_ok=True)
        write_video(root / "Videos" / f"{name}.mp4", draw_shot(0, 9)[0], 24)
        clips[name] = opens2v_clip(f"{name}.mp4", crop=crop)
    (root / "part1.json").write_text(json.dumps(clips))
    assert [one.reason for one in convert("opens2v", root, tmp_path / "products").rejects] == ["frame_size"]


def test_what_is_odd_is_one_reject_each_and_the_rest_is_taken(davis: Path, tmp_path: Path) -> None:
    images = davis / "JPEGImages" / "480p"
    path = draw(images / "cut", 3) / "00001.jpg"
    path.write_bytes(path.read_bytes()[:400])
    (draw(images / "empty", 3) / "00001.jpg").write_bytes(b"")
    (images / "bare").mkdir()
    Image.new("RGB", (64, 64)).save(draw(images / "sizes", 3) / "00001.jpg")
    outside = draw(tmp_path / "JPEGImages" / "outside", 3)
    (images / "link").symlink_to(outside)
    (draw(images / "inner", 3) / "00003.jpg").symlink_to(outside / "00000.jpg")
    os.mkdir(os.fsencode(images) + b"/\xe9\xe8")  # noqa: PTH102
    draw(images / "BEAR", 3)
    convert("davis", davis, tmp_path / "products")
    rejects = read_jsonl(tmp_path / "products" / "rejects.jsonl", Reject)
    assert {one.item.rsplit("/", 1)[-1]: one.reason for one in rejects} == {
        "cut": "unreadable",
        "empty": "unreadable",
        "bare": "no_frames",
        "sizes": "frame_size",
        "link": "forbidden_path",
        "inner": "forbidden_path",
        "\\xe9\\xe8": "no_frames",
        "bear": "bad_name",
    }
    names = {path.name for path in (tmp_path / "products").iterdir()}
    assert names == {"BEAR", "gold-fish", "rejects.jsonl"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_layout_is_told_and_nothing_is_written(layout: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(MissingInputError) as failure:
        convert(layout, tmp_path / "source", tmp_path / "products")
    assert failure.value.hint
    assert not (tmp_path / "products").exists()


def test_a_folder_with_files_is_not_replaced(davis: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(PvttError, match="is not empty"):
        convert("davis", davis, tmp_path)
    with pytest.raises(PvttError, match="lies in"):
        convert("davis", davis, davis / "products")


def test_the_command_knows_every_layout() -> None:
    assert set(NAMES) == {"pvtt", *LAYOUTS}
