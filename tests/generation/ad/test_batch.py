"""Every product in every template."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pvtt.errors import MissingInputError, PvttError, StorageError
from pvtt.generation.ad import batch, shared
from pvtt.generation.ad.batch import generate_batch
from pvtt.generation.ad.batch_record import BatchRecord
from pvtt.generation.ad.batch_sheet import HEIGHT
from pvtt.generation.ad.compare import COMPARISON
from pvtt.generation.ad.record import AdRecord
from pvtt.generation.pipeline import ProductVideoPipeline
from tests.forked import fork
from tests.generation.ad.films import (
    BLUE,
    write_film,
    write_model,
    write_product,
    write_short_template,
    write_template,
)

GREEN = (40, 160, 60)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films and one that is none, two products and an empty folder, and a model."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("batch")
    (folder / "films").mkdir()
    write_template(folder / "films" / "long.mp4")
    write_short_template(folder / "films" / "short.mp4", 120)
    (folder / "films" / "broken.mp4").write_bytes(b"no film at all " * 100)
    (folder / "films" / "notes.txt").write_text("films of May")
    write_product(folder / "products" / "box", BLUE, "a blue box")
    write_product(folder / "products" / "crate", GREEN)
    (folder / "products" / "empty").mkdir()
    (folder / "products" / ".hidden").mkdir()
    write_model(folder)
    return folder


@pytest.fixture(scope="module")
def made(shop: Path) -> Iterator[tuple[Path, BatchRecord, list[str], list[Path]]]:
    """The batch's folder, its record, what was said, and each model that was loaded."""
    told: list[str] = []
    loaded: list[Path] = []
    own_load = shared.load_pipeline

    def load(folder: Path) -> ProductVideoPipeline:
        loaded.append(folder)
        return own_load(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PVTT_CACHE_DIR", str(shop / "cache"))
        patch.setattr(shared, "load_pipeline", load)
        record = make(shop, shop / "ads", say=told.append)
        yield shop / "ads", record, told, loaded


def make(shop: Path, output: Path | None, **options: object) -> BatchRecord:
    """The batch of the shop."""
    chosen: dict[str, object] = {"model": shop / "model", "prompt": "a crate", "seed": 3} | options
    return generate_batch(shop / "films", shop / "products", output, **chosen)  # type: ignore[arg-type]


def changed(folder: Path) -> dict[str, int]:
    """When each film, sheet and record of an ad was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.glob("*/*")}


def statuses(record: BatchRecord) -> dict[tuple[str, str], str]:
    return {(row.template, row.product): row.reason or row.status for row in record.rows}


Batch = tuple[Path, BatchRecord, list[str], list[Path]]


def test_every_good_product_is_in_every_good_template_and_each_bad_one_says_why(made: Batch) -> None:
    _, record, told, _ = made
    assert record.templates == ("broken", "long", "short")
    assert record.products == ("box", "crate", "empty")
    assert statuses(record) == {
        ("broken", "box"): "not_a_video",
        ("broken", "crate"): "not_a_video",
        ("broken", "empty"): "no_photo",
        ("long", "box"): "made",
        ("long", "crate"): "made",
        ("long", "empty"): "no_photo",
        ("short", "box"): "made",
        ("short", "crate"): "made",
        ("short", "empty"): "no_photo",
    }
    assert all(row.message and "\n" not in row.message for row in record.failed)
    assert "ad 4 of 9: box in long" in told
    assert sum("product A is shown longest" in line for line in told) == 2  # once a film


def test_beside_each_film_is_what_a_single_run_writes(made: Batch) -> None:
    ads, record, _, _ = made
    files = {f"{film}/{name}{ending}" for film in ("long", "short") for name in ("box", "crate")
             for ending in (".mp4", ".png", ".json", ".compare.mp4")}  # fmt: skip
    assert {str(path.relative_to(ads)) for path in ads.rglob("*.*")} == files | {"batch.json", "batch.png"}
    assert not (ads / "broken").exists()
    for row in record.rows:
        if row.status == "made":
            assert row.file == f"{row.template}/{row.product}.mp4"
            ad = AdRecord.from_json((ads / row.file).with_suffix(".json").read_bytes())
            assert ad.settings.prompt == {"box": "a blue box", "crate": "a crate"}[row.product]
            assert ad.settings.seed == 3
            assert row.shots == {"long": (1, 3), "short": (1,)}[row.template]
            assert (row.num_shots, row.windows, row.seconds) == (len(ad.shots), ad.num_windows, ad.duration_s)
            assert row.minutes is not None


def test_a_template_is_looked_at_once_and_the_model_loaded_once(made: Batch, shop: Path) -> None:
    surveys = [path for path in (shop / "cache" / "generate" / "surveys").glob("*/*") if path.is_dir()]
    assert len(surveys) == 2
    assert made[3] == [shop / "model"]


def test_its_record_and_its_sheet_are_written(made: Batch) -> None:
    ads, record, _, _ = made
    assert BatchRecord.from_json((ads / "batch.json").read_bytes()) == record
    sheet = cv2.imread(str(ads / "batch.png"))
    assert sheet is not None
    assert sheet.shape[0] > 3 * HEIGHT
    tile = round(192 * HEIGHT / 128)
    template, box = (sheet[-HEIGHT - 6 : -6, left : left + tile] for left in (0, tile + 6))
    assert abs(template.astype(int) - box).mean() > 2  # of 255: another product in the last line's first ad


def test_the_same_call_again_makes_nothing_anew(
    made: Batch, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ads, record, _, _ = made
    before = changed(ads)
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "empty"))
    told: list[str] = []
    again = make(shop, ads, say=told.append)
    assert changed(ads) == before
    assert not (tmp_path / "empty").exists()
    assert told[0] == "4 of 9 ads are there already"
    assert statuses(again) == {
        place: status.replace("made", "kept") for place, status in statuses(record).items()
    }  # the others are tried again
    assert [row.minutes for row in again.rows] == [row.minutes for row in record.rows]


@pytest.mark.parametrize("change", ["seed", "prompt", "photo", "film", "sheet", "comparison", "label", "record"])
def test_what_has_changed_is_made_anew(made: Batch, shop: Path, tmp_path: Path, change: str) -> None:
    for name in ("films", "products", "ads"):
        shutil.copytree(shop / name, tmp_path / name)
    (tmp_path / "films" / "long.mp4").unlink()
    (tmp_path / "model").symlink_to(shop / "model")
    make(tmp_path, tmp_path / "ads")  # the paths in the records are these now; windows come from the cache
    options: dict[str, object] = {}
    expected = {("short", "box"): "planned", ("short", "crate"): "kept"}
    if change == "seed":
        options = {"seed": 4}
        expected["short", "crate"] = "planned"
    elif change == "prompt":
        (tmp_path / "products" / "box" / "prompt.txt").write_text("a box of sky\n")
    elif change == "photo":
        (tmp_path / "products" / "box" / "photo-1.png").unlink()
    elif change == "film":
        (tmp_path / "ads" / "short" / "box.mp4").write_bytes(b"half a film")
    elif change == "sheet":
        (tmp_path / "ads" / "short" / "box.png").unlink()
    elif change == "comparison":
        (tmp_path / "ads" / "short" / f"box{COMPARISON}").unlink()
    elif change == "label":
        options = {"label": "AI"}
        expected["short", "crate"] = "planned"
    else:
        (tmp_path / "ads" / "short" / "box.json").write_text("{")
    found = statuses(make(tmp_path, tmp_path / "ads", dry_run=True, **options))
    assert {place: found[place] for place in expected} == expected


def test_a_batch_that_was_killed_goes_on(made: Batch, shop: Path, tmp_path: Path) -> None:
    ads = tmp_path / "ads"
    child = fork()
    if child == 0:
        make(shop, ads, seed=5, shots=[1])
        os._exit(0)
    deadline = time.monotonic() + 400  # of a machine in use
    while not (ads / "long" / "box.json").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    before = changed(ads)
    so_far = BatchRecord.from_json((ads / "batch.json").read_bytes())
    assert statuses(so_far)["short", "crate"] == "waiting"
    record = make(shop, ads, seed=5, shots=[1])
    assert statuses(record)["long", "box"] == "kept"
    assert statuses(record)["short", "crate"] == "made"
    after = changed(ads)
    for name in ("long/box.mp4", "long/box.png", "long/box.json"):
        assert after[name] == before[name]


def test_two_templates_and_five_products_are_ten_ads(shop: Path, tmp_path: Path, made: Batch) -> None:
    (tmp_path / "films").mkdir()
    for name, backdrop in (("day", 215), ("night", 60)):
        write_short_template(tmp_path / "films" / f"{name}.mp4", backdrop)
    for number in range(5):
        write_product(tmp_path / "products" / f"box-{number}", (40 * number, 90, 200 - 40 * number))
    (tmp_path / "model").symlink_to(shop / "model")
    record = make(tmp_path, tmp_path / "ads")
    assert [row.status for row in record.rows] == ["made"] * 10
    films = [film for film in (tmp_path / "ads").glob("*/*.mp4") if not film.name.endswith(COMPARISON)]
    assert len(films) == len({film.read_bytes() for film in films}) == 10


def test_a_preview_is_sheets_alone_and_does_not_count_as_the_film(made: Batch, shop: Path, tmp_path: Path) -> None:
    ads = tmp_path / "ads"
    record = make(shop, ads, preview=True)
    assert next(row.file for row in record.rows if row.status == "made") == "long/box.png"
    assert not list(ads.rglob("*.mp4"))
    assert statuses(make(shop, ads, preview=True))["long", "box"] == "kept"
    assert statuses(make(shop, ads, dry_run=True))["long", "box"] == "planned"


def test_a_dry_run_writes_nothing(made: Batch, shop: Path, tmp_path: Path) -> None:
    record = make(shop, tmp_path / "ads", dry_run=True)
    assert [row.windows for row in record.rows if row.status == "planned"] == [8, 8, 4, 4]
    assert record == make(shop, None, dry_run=True)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_batch(made: Batch, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch, "generate", fail)
    with pytest.raises(StorageError, match="no space left"):
        make(shop, tmp_path / "ads")
    record = BatchRecord.from_json((tmp_path / "ads" / "batch.json").read_bytes())
    assert {row.status for row in record.rows} == {"waiting"}


def test_more_than_five_pictures_and_a_prompt_that_is_no_text_are_told(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "films").mkdir()
    grey = np.full((14, 128, 192, 3), 128, np.uint8)
    write_film(tmp_path / "films" / "grey.mp4", grey)
    many = write_product(tmp_path / "products" / "many", BLUE)
    for number in range(2, 7):
        shutil.copy(many / "photo-0.png", many / f"photo-{number}.png")
    odd = write_product(tmp_path / "products" / "odd", BLUE)
    (odd / "prompt.txt").write_bytes(b"\xff\xfe\x00")
    blank = tmp_path / "products" / "blank"
    blank.mkdir()
    cv2.imwrite(str(blank / "photo.png"), grey[0])
    (tmp_path / "model").symlink_to(shop / "model")
    record = make(tmp_path, tmp_path / "ads")
    assert statuses(record) == {
        ("grey", "blank"): "bad_photo", ("grey", "many"): "no_product", ("grey", "odd"): "bad_prompt",
    }  # fmt: skip
    assert record.rows[1].warnings == ("the first 5 of 7 pictures by name are taken",)


def test_what_no_ad_could_be_made_of_is_said_before_the_work(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "file").write_text("")
    films, products, model = shop / "films", shop / "products", shop / "model"
    for given, kind, says in (
        ((tmp_path / "none", products, tmp_path / "ads"), MissingInputError, "there is no folder"),
        ((films, tmp_path / "none", tmp_path / "ads"), MissingInputError, "there is no folder"),
        ((tmp_path / "nothing", products, tmp_path / "ads"), MissingInputError, "has no film"),
        ((films, tmp_path / "nothing", tmp_path / "ads"), MissingInputError, "has no folders"),
        ((films, products, tmp_path / "file"), PvttError, "is no folder"),
        ((films, products, tmp_path / "file" / "ads"), PvttError, "is no folder"),
        ((films, products, tmp_path / "ads.mp4"), PvttError, "is no folder"),
        ((films, products, products / "ads"), PvttError, "among the inputs"),
        ((films, products, None), PvttError, "no output"),
    ):
        with pytest.raises(kind, match=says) as raised:
            generate_batch(*given, model=model)
        assert raised.value.hint
    with pytest.raises(MissingInputError, match="model folder"):
        generate_batch(films, products, tmp_path / "ads", model=tmp_path / "model")
    with pytest.raises(PvttError, match="wrong setting"):
        generate_batch(films, products, tmp_path / "ads", model=model, strength=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "nothing"]


def test_two_films_of_one_name_are_refused(shop: Path, tmp_path: Path) -> None:
    for ending in (".mp4", ".mov"):
        write_short_template(tmp_path / f"ad{ending}", 120)
    with pytest.raises(PvttError, match=r"ad\.mov and ad\.mp4 in .* would both be written to ad/"):
        generate_batch(tmp_path, shop / "products", tmp_path / "ads", model=shop / "model")
