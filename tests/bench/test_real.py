"""A team's own triplets: read from a plain folder, checked, and measured as far as that goes without a truth."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.bench.contenders import chosen
from pvtt.bench.real import index_real
from pvtt.bench.run import run_bench
from pvtt.bench.sets import BenchSet, read_bench
from pvtt.bench.table import make_table
from pvtt.cli.main import main
from pvtt.errors import MissingInputError
from tests.bench.sets import ONE_SHOT, TWO_SHOTS


@pytest.fixture
def own(bench: BenchSet, tmp_path: Path) -> Path:
    """Two triplets as a team would lay them down: films, photos, a mask and words."""
    for name, source in (("ring", TWO_SHOTS), ("pendant", ONE_SHOT)):
        place, (triplet,) = tmp_path / "triplets" / name, bench.only([source])
        (place / "photos").mkdir(parents=True)
        shutil.copyfile(bench.place(triplet) / "template.mp4", place / "template.mp4")
        for photo in triplet.photos:
            shutil.copyfile(bench.place(triplet) / photo, place / photo)
    ring, (triplet,) = tmp_path / "triplets" / "ring", bench.only([TWO_SHOTS])
    shutil.copyfile(bench.place(triplet) / "template-mask.mkv", ring / "mask.mkv")
    gallery: dict[str, list[str]] = {}
    for one in triplet.gallery:
        picture = cv2.imread(str(bench.place(triplet) / one.path))
        mask = cv2.imread(str(bench.place(triplet) / one.mask_path), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        assert mask is not None
        name = f"{one.product_id}-{len(gallery.get(one.product_id, []))}.png"
        cv2.imwrite(str(ring / name), np.dstack([picture, mask]))
        gallery.setdefault(one.product_id, []).append(name)
    about = {
        "product_id": triplet.product_id,
        "template_product_id": triplet.template_product_id,
        "category": "box",
        "caption": "a wooden box",
        "splits": {"material": "matte"},
        "gallery": gallery,
    }
    (ring / "about.json").write_text(json.dumps(about))
    return tmp_path


def test_a_plain_folder_becomes_a_bench(own: Path, bench: BenchSet) -> None:
    made, faults = index_real(own)
    assert faults == []
    assert made is not None
    read = read_bench(own)
    assert read.bench == made
    assert read.bench.kind == "real"
    pendant, ring = read.triplets
    (synthetic,) = bench.only([TWO_SHOTS])
    assert [shot.first_frame for shot in ring.shots] == [shot.first_frame for shot in synthetic.shots]
    assert (ring.product_id, ring.caption, ring.splits) == (synthetic.product_id, "a wooden box", {"material": "matte"})
    assert ring.truth is None
    assert ring.region == "region.mkv"
    assert (pendant.product_id, pendant.region, pendant.template_mask) == ("pendant", None, None)
    again, _ = index_real(own)
    assert again == made


def test_what_needs_no_truth_is_measured(own: Path, tmp_path: Path) -> None:
    index_real(own)
    out = tmp_path / "run"
    run_bench(read_bench(own), chosen(["inpaint"], None, None, has_truth=False), out, seed=0, command="")
    table = make_table(out)
    values = {
        (line.contender, metric.name): cell.n
        for grid in table.axes
        for line in grid.lines
        for metric, cell in zip(grid.columns, line.cells, strict=True)
    }
    assert values["inpaint", "cut_f1"] == values["inpaint", "sound_same"] == 2
    assert values["inpaint", "outside_psnr"] == values["inpaint", "camera_shift"] == 1  # the one with a mask
    assert values["inpaint", "identity_top1"] == 1  # the one with a gallery
    assert values["inpaint", "product_psnr"] == values["inpaint", "product_delta_e"] == 0
    made = {made.contender: made for made in table.made}
    assert list(made) == ["source_copy", "inpaint"]
    assert made["inpaint"].num_films == 1


def test_faults_are_named_a_line_each(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(own / "triplets" / "pendant" / "photos")
    cv2.imwrite(str(own / "triplets" / "ring" / "mask.png"), np.zeros((10, 10), np.uint8))
    (own / "triplets" / "ring" / "mask.mkv").unlink()
    with pytest.raises(SystemExit) as error:
        main(["bench", "build", "--real", str(own)])
    assert error.value.code == 6
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "pendant: 0 pictures in photos/, not one to five"
    assert lines[1].startswith("ring: mask.png has 23 frames of 10×10, the template 23 of 240×160")
    assert not (own / "bench.json").exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="holds no folder of a triplet"):
        index_real(tmp_path)
