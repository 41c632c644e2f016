"""Triplets of a workspace's own products, laid down as a team lays down its own: `pvtt bench import DIR`.

    data/products/A/videos/…  ──► DIR/triplets/A-as-B/template.mp4
    data/products/B/photos/…  ──► photos/1.jpg …  (the first half of them)
    outs/photos/…             ──► gallery/…       (cut-outs of the other half, of A, and of three like B)

Each product is put into one film: that of the next product by id, in turns of its own category and of another one. What
only a person can tell, where the old product is, stays open: `mask.mkv` is theirs to add.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pvtt.bench.real import FILM_SUFFIXES
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_directory, atomic_write_text
from pvtt.files.workspace import Workspace
from pvtt.generation.inputs import PICTURE_SUFFIXES
from pvtt.records.base import read_jsonl, read_output_jsonl
from pvtt.records.bench import TRIPLETS
from pvtt.records.catalog import Product, read_products
from pvtt.records.clips import PhotoSet
from pvtt.records.dataset import ENTRIES_FILE, DatasetEntry

MAX_PHOTOS = 5
NUM_LOOK_ALIKES = 3
GALLERY_PHOTOS = 2  # of a product that is not the new one


@dataclass(frozen=True)
class Laid:
    """What was laid down.

    Args:
        names: Of the triplets that are there now, in order.
        kept: Of these, those that were there before and were left as they are.
        left_out: Products without a triplet, and why.
    """

    names: tuple[str, ...]
    kept: tuple[str, ...]
    left_out: dict[str, str]


def lay_down(workspace: Workspace, folder: Path, *, every: bool) -> Laid:
    """Lay down a triplet for each product that has photos and for which there is another one's film.

    Args:
        workspace: Has `data/`, and of earlier stages what there is.
        folder: Gets `triplets/`. A triplet that is there stays as it is.
        every: Of all products; else of those of the test split alone, which no model was trained on.

    Raises:
        MissingInputError: There are no products, or no splits.
        PvttError: No two products make a triplet.
    """
    products = {product.product_id: product for product in read_products(workspace.data)}
    left_out: dict[str, str] = {}
    if not every:
        entries = read_output_jsonl(workspace.out("validate") / ENTRIES_FILE, DatasetEntry, "validate")
        held_out = {entry.product_id for entry in entries if entry.split == "test"}
        products = {name: product for name, product in products.items() if name in held_out}
        if not products:
            raise MissingInputError("no product is in the test split", "take all with --all, or crawl more products")
    sets_file = workspace.out("photos") / "photos.jsonl"
    cut_outs = {one.product_id: one for one in read_jsonl(sets_file, PhotoSet)} if sets_file.is_file() else {}
    names, kept = [], []
    for number, product in enumerate(products.values()):
        old = _template_of(product, products, of_same=number % 2 == 0)
        photos = _pictures(product)
        if old is None or not photos:
            left_out[product.product_id] = "no photo" if not photos else "no other product has a film"
            continue
        names.append(f"{old.product_id}-as-{product.product_id}")
        place = folder / TRIPLETS / names[-1]
        if place.is_dir():
            kept.append(names[-1])
            continue
        with atomic_directory(place) as new:
            _write(new, workspace, product, old, photos, cut_outs)
    if not names:
        raise PvttError(
            f"no two of {len(products)} products make a triplet: it takes photos of one and a film of another",
            "take all products with --all, or crawl more",
        )
    return Laid(tuple(names), tuple(kept), left_out)


def _template_of(product: Product, products: Mapping[str, Product], *, of_same: bool) -> Product | None:
    """The next product by id that has a film, of the same category or of another; of any where there is none such."""
    ids = list(products)
    place = ids.index(product.product_id)
    others = [products[name] for name in (*ids[place + 1 :], *ids[:place])]
    filmed = [other for other in others if _film(other) is not None]
    fitting = [other for other in filmed if (other.category == product.category) == of_same]
    return next(iter((*fitting, *filmed)), None)


def _film(product: Product) -> str | None:
    """A product's first film, below `data/`."""
    return next((one.path for one in product.videos if Path(one.path).suffix.lower() in FILM_SUFFIXES), None)


def _pictures(product: Product) -> list[str]:
    return [one.path for one in product.photos if Path(one.path).suffix.lower() in PICTURE_SUFFIXES]


def _write(
    new: Path,
    workspace: Workspace,
    product: Product,
    old: Product,
    photos: Sequence[str],
    cut_outs: Mapping[str, PhotoSet],
) -> None:
    film = _film(old)
    assert film is not None  # `_template_of`
    _copy(workspace.data / film, new / f"template{Path(film).suffix.lower()}")
    given = photos[: min(MAX_PHOTOS, (len(photos) + 1) // 2)]
    for number, photo in enumerate(given, start=1):
        _copy(workspace.data / photo, new / "photos" / f"{number}{Path(photo).suffix.lower()}")
    gallery: dict[str, list[str]] = {}
    for name, source in _gallery(product, old, given, cut_outs):
        path = f"gallery/{name}-{len(gallery.get(name, [])) + 1}.png"
        _copy(workspace.out("photos") / source, new / path)
        gallery.setdefault(name, []).append(path)
    about = {
        "product_id": product.product_id,
        "template_product_id": old.product_id,
        "category": product.category,
        "caption": product.title,
        "splits": {"shape gap": "same category" if old.category == product.category else "other category"},
        "gallery": gallery if product.product_id in gallery else {},
    }
    atomic_write_text(new / "about.json", json.dumps(about, indent=1, ensure_ascii=False) + "\n")


def _gallery(
    product: Product, old: Product, given: Sequence[str], cut_outs: Mapping[str, PhotoSet]
) -> Iterator[tuple[str, str]]:
    """Products with a cut-out each, below `outs/photos`: none of a photo that is given."""
    alike = [
        name
        for name, one in cut_outs.items()
        if one.category == product.category and name not in (product.product_id, old.product_id)
    ]
    for name in (product.product_id, old.product_id, *alike[:NUM_LOOK_ALIKES]):
        own = [one.path for one in cut_outs[name].photos if one.source_path not in given] if name in cut_outs else []
        yield from ((name, path) for path in (own if name == product.product_id else own[:GALLERY_PHOTOS]))


def _copy(source: Path, target: Path) -> None:
    """Copy a file of the workspace. Raises `MissingInputError` where it is not there."""
    if not source.is_file():
        raise MissingInputError(f"{source} is missing", "fetch the data with `dvc pull`, or `dvc repro` for outs/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
