"""The small bench that the project ships is whole, is what the renderer makes, and holds what it says."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pvtt.bench.sets import SHIPPED, Pixels, read_bench
from pvtt.builtin.bench.build import HASHES, build, differing, film_shots, planned_otherwise, read_hashes
from pvtt.builtin.bench.plan import HEIGHT, SMALL, WIDTH, plan_triplet, plans
from pvtt.builtin.bench.publish import hashes_of
from pvtt.builtin.shop.render import Renderer
from pvtt.errors import MissingInputError, PvttError
from pvtt.media.video import probe
from pvtt.records.bench import BENCH_FILE, TRIPLETS

SHORTEST = min(range(SMALL), key=lambda number: plan_triplet(number).film.num_frames)


def copied(number: int, folder: Path) -> Path:
    """A folder with one of the triplets, without a list."""
    name = plan_triplet(number).name
    shutil.copytree(SHIPPED / TRIPLETS / name, folder / TRIPLETS / name)
    return folder


def test_it_is_whole_and_small() -> None:
    bench = read_bench(SHIPPED)
    assert [triplet.name for triplet in bench.triplets] == [plan.name for plan in plans(True)]
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert len(files) == 1 + len(bench.bench.files)
    assert sum(path.stat().st_size for path in files) < 8e6
    assert not differing(bench.bench, read_hashes())
    assert HASHES.is_file()


def test_its_records_are_what_was_planned() -> None:
    for triplet, plan in zip(read_bench(SHIPPED).triplets, plans(True), strict=True):
        assert triplet.splits == plan.splits
        assert triplet.cuts == plan.film.cuts
        assert triplet.num_frames == plan.film.num_frames
        assert (triplet.width, triplet.height) == (WIDTH, HEIGHT)
        assert len(triplet.photos) == plan.num_photos
        assert triplet.caption == plan.product.caption
        products = {photo.product_id for photo in triplet.gallery}
        assert len(products) == 5
        assert {triplet.product_id, triplet.template_product_id} <= products
        for shot in triplet.shots:
            assert shot.camera is not None
            assert len(shot.camera.positions) == len(shot.camera.targets) == shot.num_frames


def test_truth_and_template_differ_in_the_region_alone() -> None:
    bench = read_bench(SHIPPED)
    for triplet in bench.triplets[::8]:
        pixels = Pixels(triplet, bench.place(triplet))
        assert pixels.truth is not None
        assert pixels.region is not None
        assert pixels.product is not None
        assert pixels.template_product is not None
        assert pixels.template.shape == pixels.truth.shape == (triplet.num_frames, HEIGHT, WIDTH, 3)
        difference = np.abs(pixels.template.astype(int) - pixels.truth).mean(-1)
        assert difference[~pixels.region].mean() < 1.5, triplet.name  # the codec's
        both = pixels.product | pixels.template_product
        assert difference[both].mean() > 10, triplet.name
        assert not (both & ~pixels.region).any()
        assert probe(bench.place(triplet) / triplet.template).rate == 12


def test_a_file_that_was_changed_or_lost_is_named(tmp_path: Path) -> None:
    folder = copied(SHORTEST, tmp_path)
    build(folder, is_small=True, jobs=1, numbers=[SHORTEST])
    photo = next((folder / TRIPLETS).rglob("photos/1.jpg"))
    data = photo.read_bytes()
    photo.write_bytes(data[:-1])
    with pytest.raises(PvttError, match=f"{photo} is not what {BENCH_FILE} lists"):
        read_bench(folder)
    photo.unlink()
    with pytest.raises(MissingInputError, match=f"{photo} is missing"):
        read_bench(folder)


def test_a_build_keeps_what_is_there_and_lists_it(tmp_path: Path) -> None:
    folder = copied(SHORTEST, tmp_path)
    bench = build(folder, is_small=True, jobs=1, numbers=[SHORTEST])  # needs no renderer
    assert bench.triplets == (plan_triplet(SHORTEST).name,)
    assert not differing(bench, read_hashes())
    assert not planned_otherwise(bench, read_hashes())
    assert read_bench(folder).bench == bench
    other = bench.model_copy(update={"plans": dict.fromkeys(bench.plans, "0" * 64)})
    assert planned_otherwise(other, read_hashes()) == [*bench.triplets]


def test_what_is_published_are_all_plans_and_the_files_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(PvttError, match="has no triplet of the bench"):
        hashes_of(tmp_path)
    made = hashes_of(copied(SHORTEST, tmp_path))
    assert made.plans == read_hashes().plans
    assert made.triplets == (plan_triplet(SHORTEST).name,)
    assert not differing(made, read_hashes())


@pytest.mark.proof  # shop/test_render.py is the smaller version
def test_the_renderer_makes_the_same_again(renderer: Renderer) -> None:
    plan = plan_triplet(SHORTEST)
    shots = list(film_shots(renderer, plan))
    bench = read_bench(SHIPPED)
    (triplet,) = bench.only([plan.name])
    pixels = Pixels(triplet, bench.place(triplet))
    assert pixels.truth is not None
    for name, stored in (("template", pixels.template), ("truth", pixels.truth)):
        frames = np.concatenate([getattr(shot, name) for shot in shots])
        assert np.abs(frames.astype(int) - stored).mean() < 3
    for name, region in (
        ("template_mask", pixels.template_product),
        ("product_mask", pixels.product),
        ("region", pixels.region),
    ):
        masks = np.concatenate([getattr(shot, name) for shot in shots]) > 0
        assert region is not None
        assert np.mean(masks != region) < 0.005
    assert [shot.camera for shot in shots] == [shot.camera for shot in triplet.shots]
