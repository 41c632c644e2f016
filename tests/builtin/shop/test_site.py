"""The committed shop is what its catalogue says, is not too big, and keeps its ground truth to itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.builtin.shop.build import NOT_A_VIDEO, ground_truth, mask_name
from pvtt.builtin.shop.catalog import FPS, Entry, catalog, good_entries
from pvtt.builtin.shop.pages import FORBIDDEN, all_pages, page_path
from pvtt.builtin.shop.serve import SITE
from pvtt.media.masks import read_masks
from pvtt.media.video import probe, read_video

TRUTH = Path(__file__).parent / "ground_truth"
DEFECTIVE = {entry.defect: entry for entry in catalog() if entry.defect is not None}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_committed_pages_are_the_catalogues() -> None:
    pages = all_pages(catalog())
    for name, text in pages.items():
        assert (SITE / name).read_text(encoding="utf-8") == text, f"{name} is stale: run `pvtt shop build`"
    known = set(pages) | {name for entry in catalog() for name in (*entry.photo_paths, *entry.video_paths)}
    assert {path.relative_to(SITE).as_posix() for path in SITE.rglob("*") if path.is_file()} == known


def test_the_committed_ground_truth_is_the_catalogues() -> None:
    assert json.loads((TRUTH / "truth.json").read_text()) == ground_truth()


def test_the_site_stays_small() -> None:
    assert _size(SITE) <= 40e6
    assert _size(TRUTH) <= 5e6


def test_every_link_leads_somewhere() -> None:
    for page in SITE.rglob("*.html"):
        for target in re.findall(r'(?:href|src|content|poster)="(/[^"]*)"', page.read_text(encoding="utf-8")):
            path = SITE / (target.lstrip("/") or "index.html")
            assert path.is_file(), f"{page.name} links to {target}"


def test_a_page_says_what_it_sells_in_schema_org() -> None:
    import extruct

    entry = catalog()[0]
    text = (SITE / page_path(entry)).read_text(encoding="utf-8")
    found = extruct.extract(text, base_url="http://127.0.0.1:8765/", syntaxes=["json-ld", "opengraph"])
    (product,) = found["json-ld"]
    assert product["@type"] == "Product"
    assert product["sku"] == entry.product_id
    assert {image["@type"] for image in product["image"]} == {"ImageObject"}
    assert 3 <= len(product["image"]) <= 5
    assert {video["@type"] for video in product["subjectOf"]} == {"VideoObject"}
    assert "creativecommons.org/publicdomain/zero" in product["license"]
    assert dict(found["opengraph"][0]["properties"])["og:type"] == "product"


@pytest.mark.parametrize("entry", good_entries()[::7], ids=lambda entry: entry.product_id)
def test_films_cut_where_the_ground_truth_says(entry: Entry) -> None:
    for film, name in zip(entry.films, entry.video_paths, strict=True):
        frames = read_video(SITE / name)
        assert frames.shape == (film.num_frames, 480, 720, 3)
        small = np.array([cv2.resize(frame, (72, 48), interpolation=cv2.INTER_AREA) for frame in frames], dtype=int)
        steps = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3))
        cuts = [cut - 1 for cut in film.cuts]
        assert steps[cuts].min() > 2 * np.delete(steps, cuts).max()


def test_products_are_whole_and_of_a_fair_size_in_every_frame() -> None:
    for entry in good_entries():
        for film, name in zip(entry.films, entry.video_paths, strict=True):
            masks = read_masks(TRUTH / mask_name(name))
            assert masks.shape == (film.num_frames, 120, 180)
            areas = (masks > 0).mean(axis=(1, 2))
            assert areas.min() > 0.035, f"{name}: {areas.min():.3f}"
            assert areas.max() < 0.4, f"{name}: {areas.max():.3f}"
            border = np.concatenate([masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]], axis=1)
            assert not border.any(), f"{name}: the product leaves the frame"


def test_videos_are_the_pipelines_size_and_rate() -> None:
    for entry in good_entries():
        for name in entry.video_paths:
            info = probe(SITE / name)
            assert (info.width, info.height) == (720, 480)
            assert info.rate == FPS


def test_every_defect_is_there_once_and_is_what_it_says() -> None:
    assert len(DEFECTIVE) == 9
    short = DEFECTIVE["too_short"].films[0]
    assert max(part.num_frames for part in short.shots) / FPS < 3.0
    assert probe(SITE / DEFECTIVE["too_small"].video_paths[0]).height < 480
    assert (SITE / DEFECTIVE["not_a_video"].video_paths[0]).read_text() == NOT_A_VIDEO
    assert not DEFECTIVE["no_video"].video_paths
    assert all(not part.products for part in DEFECTIVE["no_product"].films[0].shots)
    assert all(len(part.products) == 2 for part in DEFECTIVE["two_products"].films[0].shots)


def test_the_duplicate_has_its_originals_bytes() -> None:
    copy = DEFECTIVE["duplicate_product"]
    original = next(entry for entry in catalog() if entry.product_id == copy.copy_of)
    theirs = (*original.photo_paths, *original.video_paths)
    for ours, name in zip((*copy.photo_paths, *copy.video_paths), theirs, strict=True):
        assert (SITE / ours).read_bytes() == (SITE / name).read_bytes()


def test_robots_are_kept_off_one_page() -> None:
    from urllib.robotparser import RobotFileParser

    rules = RobotFileParser()
    rules.parse((SITE / "robots.txt").read_text().splitlines())
    forbidden = [entry for entry in catalog() if not rules.can_fetch("*", f"http://127.0.0.1:8765/{page_path(entry)}")]
    assert [entry.defect for entry in forbidden] == ["robots_forbidden"]
    assert page_path(forbidden[0]).startswith(FORBIDDEN.strip("/"))


def test_the_ground_truth_is_not_served() -> None:
    assert not list(SITE.rglob("*.mkv"))
    assert not list(SITE.rglob("truth.json"))
