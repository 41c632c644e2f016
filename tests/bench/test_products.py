"""Triplets of a workspace's products: which films and photos go together, and that a bench can be built of them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.bench.products import lay_down
from pvtt.bench.real import index_real
from pvtt.cli.main import main
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.records.base import write_jsonl
from pvtt.records.clips import Photo, PhotoSet
from tests.scenes import add_product, draw_shot, video_bytes

FPS = 8.0


def picture(seed: int) -> bytes:
    frames, masks = draw_shot(seed, 1)
    done, data = cv2.imencode(".png", np.dstack([frames[0][..., ::-1], masks[0]]))
    assert done
    return data.tobytes()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Three bottles: two with a film and three photos, one with a photo alone; and the cut-outs of the photos."""
    (tmp_path / "params.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    found = Workspace(tmp_path)
    out = found.out("photos")
    sets = []
    for number, (num_films, num_photos) in enumerate(((1, 3), (1, 3), (0, 1), (0, 0))):
        films = [video_bytes(tmp_path, [draw_shot(number, 8)[0]], FPS)] * num_films
        photos = [picture(10 * number + one) for one in range(num_photos)]
        product = add_product(found, f"BOTT00{number}", films, photos)
        cut_outs = []
        for place, (photo, data) in enumerate(zip(product.photos, photos, strict=True)):
            path = f"photos/{product.product_id}/{place}.png"
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(data)
            cut_outs.append(
                Photo(
                    path=path, sha256=photo.sha256, source_path=photo.path, source_sha256=photo.sha256,
                    perceptual_hash="0" * 16, area=0.3,
                )
            )  # fmt: skip
        sets.append(PhotoSet(product_id=product.product_id, category="bottle", photos=tuple(cut_outs)))
    write_jsonl(out / "photos.jsonl", sets)
    return found


def test_each_products_photos_go_with_anothers_film(workspace: Workspace, tmp_path: Path) -> None:
    own = tmp_path / "own"
    laid = lay_down(workspace, own, every=True)
    assert laid.names == ("BOTT001-as-BOTT000", "BOTT000-as-BOTT001", "BOTT000-as-BOTT002")
    assert laid.left_out == {"BOTT003": "no photo"}
    place = own / "triplets" / laid.names[0]
    assert sorted(path.name for path in (place / "photos").iterdir()) == ["1.png", "2.png"]
    about = json.loads((place / "about.json").read_text())
    assert (about["product_id"], about["template_product_id"]) == ("BOTT000", "BOTT001")
    assert about["splits"] == {"shape gap": "same category"}
    assert {name: len(paths) for name, paths in about["gallery"].items()} == {"BOTT000": 1, "BOTT001": 2, "BOTT002": 1}
    given = [path.read_bytes() for path in (place / "photos").iterdir()]
    assert (place / about["gallery"]["BOTT000"][0]).read_bytes() not in given  # contenders do not see it
    assert json.loads((own / "triplets" / laid.names[2] / "about.json").read_text())["gallery"] == {}  # one photo
    bench, faults = index_real(own)
    assert faults == []
    assert bench is not None
    assert bench.triplets == tuple(sorted(laid.names))


def test_what_is_there_stays(workspace: Workspace, tmp_path: Path) -> None:
    own = tmp_path / "own"
    names = lay_down(workspace, own, every=True).names
    mask = own / "triplets" / names[0] / "mask.png"
    mask.write_bytes(picture(0))
    again = lay_down(workspace, own, every=True)
    assert again.names == again.kept == names
    assert mask.is_file()


def test_the_command_asks_for_masks_and_for_held_out_products(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["bench", "import", "own", "--all"])
    assert capsys.readouterr().out.splitlines() == [
        "BOTT003: no photo",
        "own: 3 triplets, 0 of them were there",
        "next: a mask.mkv or mask.png in each, then pvtt bench build --real own",
    ]
    with pytest.raises(SystemExit) as error:
        main(["bench", "import", "own"])
    assert error.value.code == MissingInputError.exit_code


def test_two_products_are_needed(tmp_path: Path) -> None:
    found = Workspace(tmp_path)
    add_product(found, "BOTT000", [], [picture(0)])
    with pytest.raises(PvttError, match="no two of 1 products make a triplet"):
        lay_down(found, tmp_path / "own", every=True)
