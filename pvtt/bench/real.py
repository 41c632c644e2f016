"""A team's own triplets: real films, real photos, no truth. `pvtt bench build --real DIR` reads what is there:

    DIR/triplets/<name>/template.mp4    5 to 120 s, any size; .mov and .mkv too
                        photos/*.jpg    one to five of another product
                        mask.mkv        white where the old product is, in each frame (.mp4; or .png, one for all)
                        about.json      {"product_id": …, "template_product_id": …, "category": …, "caption": …,
                                         "splits": {"material": "glass", …}, "gallery": {"<product id>": ["a.png", …]}}

`mask` and `about.json` may be missing: what needs them is not measured. It writes each `triplet.json`, and `bench.json`
last. Shots are those that the project's detector finds in the template.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field

from pvtt.builtin.bench.build import list_files
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_path, atomic_write_text
from pvtt.generation.ad.template import Template, read_template
from pvtt.generation.inputs import PICTURE_SUFFIXES, read_mask
from pvtt.media.arrays import MaskVideo
from pvtt.media.images import write_png
from pvtt.media.masks import read_masks, write_masks
from pvtt.records.base import Record, parse_record
from pvtt.records.bench import BENCH_FILE, TRIPLET_FILE, TRIPLETS, Bench, BenchShot, GalleryPhoto, Triplet

FILM_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv")
AROUND = 0.08  # of the short side, around the old product's mask: its shadow and its reflection
HINT = "docs/bench.md says what a team's own triplet holds"


class About(Record):
    """`about.json`: what a film and photos do not say."""

    product_id: str | None = None  # None: the folder's name
    template_product_id: str = "template"
    category: str = "product"
    caption: str = ""
    splits: dict[str, str] = Field(default_factory=dict)
    # Product → cut-out pictures, below the triplet.
    gallery: dict[str, tuple[str, ...]] = Field(default_factory=dict)


def index_real(folder: Path) -> tuple[Bench | None, list[str]]:
    """Read a folder of own triplets, and write its lists if nothing is wrong.

    Returns:
        The bench, and what is wrong, a line a fault; None with faults.

    Raises:
        MissingInputError: The folder has no triplets.
    """
    place = folder / TRIPLETS
    names = sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    if not names:
        raise MissingInputError(f"{place} holds no folder of a triplet", HINT)
    triplets, faults = [], []
    for name in names:
        try:
            triplets.append(_read_triplet(place / name))
        except PvttError as error:
            faults.append(f"{name}: {error.message}")
    if faults:
        return None, faults
    for triplet in triplets:
        atomic_write_text(place / triplet.name / TRIPLET_FILE, triplet.to_json(indent=1) + "\n")
    bench = list_files(folder, names).model_copy(update={"kind": "real"})
    atomic_write_text(folder / BENCH_FILE, bench.to_json(indent=1) + "\n")
    return bench, []


def _read_triplet(place: Path) -> Triplet:
    films = [place / f"template{suffix}" for suffix in FILM_SUFFIXES if (place / f"template{suffix}").is_file()]
    if len(films) != 1:
        raise PvttError(f"{len(films)} files template.mp4, .mov, .m4v or .mkv, not one", HINT)
    photos = sorted(path for path in (place / "photos").glob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not 1 <= len(photos) <= 5:
        raise PvttError(f"{len(photos)} pictures in photos/, not one to five", HINT)
    about_file = place / "about.json"
    about = parse_record(About, about_file.read_bytes(), about_file, HINT) if about_file.is_file() else About()
    film = read_template(films[0])
    masked = _write_mask(place, film)
    return Triplet(
        name=place.name,
        product_id=about.product_id or place.name,
        template_product_id=about.template_product_id,
        category=about.category,
        caption=about.caption,
        width=film.width,
        height=film.height,
        fps=float(film.rate),
        num_frames=film.num_frames,
        shots=tuple(BenchShot(first_frame=span.first, num_frames=span.num_frames) for span in film.shots),
        splits=about.splits,
        template=films[0].name,
        photos=tuple(f"photos/{photo.name}" for photo in photos),
        template_mask="template-mask.mkv" if masked else None,
        region="region.mkv" if masked else None,
        gallery=tuple(_gallery(place, about)),
    )


def _write_mask(place: Path, film: Template) -> bool:
    """Write the mask, and what may change around it; returns whether there is one."""
    found = [path for path in place.glob("mask.*") if path.suffix.lower() in (*FILM_SUFFIXES, *PICTURE_SUFFIXES)]
    if not found:
        return False
    masks: MaskVideo
    if found[0].suffix.lower() in PICTURE_SUFFIXES:
        masks = np.where(read_mask(found[0], film.num_frames), np.uint8(255), np.uint8(0))
    else:
        masks = read_masks(found[0])
    if masks.shape != (film.num_frames, film.height, film.width):
        raise PvttError(
            f"{found[0].name} has {masks.shape[0]} frames of {masks.shape[2]}×{masks.shape[1]}, the template "
            f"{film.num_frames} of {film.width}×{film.height}",
            HINT,
        )
    masks = np.where(masks > 127, np.uint8(255), np.uint8(0))
    radius = round(AROUND * min(film.width, film.height))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    rate = float(film.rate)
    with atomic_path(place / "template-mask.mkv") as path:
        write_masks(path, masks, rate)
    with atomic_path(place / "region.mkv") as path:
        write_masks(path, (np.asarray(cv2.dilate(mask, kernel), np.uint8) for mask in masks), rate)
    return True


def _gallery(place: Path, about: About) -> Iterator[GalleryPhoto]:
    """Cut-out pictures, each with its mask written beside it."""
    for product, names in about.gallery.items():
        for name in names:
            picture = cv2.imread(str(place / name), cv2.IMREAD_UNCHANGED) if (place / name).is_file() else None
            if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
                raise PvttError(f"{name} is no picture with transparency", "cut the product out and save it as PNG")
            mask = f"{name}.mask.png"
            with atomic_path(place / mask) as path:
                write_png(path, np.asarray(picture[..., 3], np.uint8))
            yield GalleryPhoto(product_id=product, path=name, mask_path=mask)
