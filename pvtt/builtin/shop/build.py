"""Render the sample shop: media, pages, and the ground truth that the shop doesn't serve."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pvtt.builtin.shop.catalog import FPS, PHOTO_SIZE, Entry, catalog
from pvtt.builtin.shop.film import write_film
from pvtt.builtin.shop.pages import all_pages
from pvtt.builtin.shop.render import Renderer
from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_path, atomic_write_text
from pvtt.items.progress import Progress
from pvtt.media.arrays import Frame
from pvtt.media.masks import write_masks

TRUNCATED_AT = 0.6  # of the file's bytes
MASK_SCALE = 4  # ground-truth masks are kept at a quarter of the video's width and height
NOT_A_VIDEO = "<!doctype html>\n<title>404 Not Found</title>\n<h1>This film has moved.</h1>\n"


def build(site: Path, truth: Path, jobs: int, product_ids: Sequence[str] = ()) -> None:
    """Render what is missing of the site, and write all pages.

    Args:
        site: What `pvtt shop serve` serves.
        truth: Gets masks (a quarter of the size, FFV1) and `truth.json` with cuts and defects; never served.
        jobs: Worker processes that render at once.
        product_ids: Only these products' media; empty: all.

    Raises:
        PvttError: An unknown product id; no renderer or no EGL here.
    """
    entries = catalog()
    unknown = set(product_ids) - {entry.product_id for entry in entries}
    if unknown:
        raise PvttError(f"the shop has no product {', '.join(sorted(unknown))}", "ids are JEWE001, BOTT001, …")
    chosen = [n for n, entry in enumerate(entries) if not product_ids or entry.product_id in product_ids]
    missing = [number for number in chosen if not _is_rendered(entries[number], site, truth)]
    if missing:
        parts = min(len(missing), jobs * 6)  # a renderer takes seconds to start: give each several products
        chunks = [missing[start::parts] for start in range(parts)]
        context = multiprocessing.get_context("spawn")  # the engine does not survive a fork
        with context.Pool(min(jobs, parts)) as pool, Progress("shop", len(missing), unit="products") as progress:
            results = [pool.apply_async(_render_entries, (chunk, site, truth)) for chunk in chunks]
            for chunk, result in zip(chunks, results, strict=True):
                result.get()
                progress.advance(len(chunk))
    for path, text in all_pages(entries).items():
        atomic_write_text(site / path, text)
    atomic_write_text(truth / "truth.json", json.dumps(ground_truth(), indent=1) + "\n")


def check(site: Path, scratch: Path, jobs: int, product_ids: Sequence[str] = ()) -> list[str]:
    """Render again into `scratch` and return the paths, relative to `site`, whose bytes differ or are missing there.

    Raises:
        PvttError: As `build`.
    """
    again = scratch / "site"
    build(again, scratch / "truth", jobs, product_ids)
    paths = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    return [
        path.as_posix()
        for path in paths
        if not (site / path).is_file() or (site / path).read_bytes() != (again / path).read_bytes()
    ]


def render_entry(entry: Entry, renderer: Renderer, site: Path, truth: Path) -> None:
    """Render an entry's photos and videos into the site, and a good entry's masks into `truth`.

    A duplicate gets the same bytes as its original, under its own names.
    """
    source = next(other for other in catalog() if other.product_id == (entry.copy_of or entry.product_id))
    for number, name in enumerate(entry.photo_paths):
        photo, _ = renderer.render_photo(source.spec, number, PHOTO_SIZE)
        _write_photo(site / name, photo)
    for film, name in zip(entry.films, entry.video_paths, strict=True):
        if entry.defect == "not_a_video":
            atomic_write_text(site / name, NOT_A_VIDEO)
            continue
        with atomic_path(site / name) as path:
            masks = write_film(renderer, film, path)
            if entry.defect == "truncated":
                data = path.read_bytes()
                path.write_bytes(data[: int(len(data) * TRUNCATED_AT)])
        if entry.defect is None:
            half = MASK_SCALE // 2  # the pixel nearest to the middle of the block
            with atomic_path(truth / mask_name(name)) as path:
                write_masks(path, masks[:, half::MASK_SCALE, half::MASK_SCALE], FPS)


def mask_name(video_path: str) -> str:
    """The ground-truth file of a video: `media/JEWE001/video-1.mp4` has `JEWE001-1.mkv`."""
    _, product_id, name = video_path.split("/")
    return f"{product_id}-{name.removeprefix('video-').removesuffix('.mp4')}.mkv"


def ground_truth() -> dict[str, Any]:
    """What tests hold the pipeline to: the cuts and moves of every good video, and every bad entry's reason."""
    videos = {
        name: {
            "product_id": entry.product_id,
            "mask": mask_name(name),
            "fps": FPS,
            "num_frames": film.num_frames,
            "cut_frames": list(film.cuts),  # the first frame of every shot but the first
            "moves": [part.move.kind for part in film.shots],
        }
        for entry in catalog()
        if entry.defect is None
        for film, name in zip(entry.films, entry.video_paths, strict=True)
    }
    defects = {entry.product_id: entry.defect for entry in catalog() if entry.defect is not None}
    return {"mask_scale": MASK_SCALE, "videos": videos, "defects": defects}


def _is_rendered(entry: Entry, site: Path, truth: Path) -> bool:
    masks = entry.video_paths if entry.defect is None else ()
    paths = [
        *(site / name for name in (*entry.photo_paths, *entry.video_paths)),
        *(truth / mask_name(m) for m in masks),
    ]
    return all(path.is_file() for path in paths)


def _render_entries(indices: Sequence[int], site: Path, truth: Path) -> None:
    with Renderer() as renderer:
        for index in indices:
            render_entry(catalog()[index], renderer, site, truth)


def _write_photo(path: Path, photo: Frame) -> None:
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(photo).save(temporary, "JPEG", quality=90, optimize=True)
