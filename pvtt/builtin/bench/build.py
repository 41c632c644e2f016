"""Render the bench: each triplet into a folder of its own, then the list of all files' hashes.

    triplets/007-ring-as-bottle/  template.mp4  truth.mp4   the same shots and music, with one product and the other
                                  template-mask.mkv  product-mask.mkv  region.mkv   exact, from the renderer
                                  photos/1.jpg …   gallery/<product>-1.jpg and -mask.png   triplet.json

A triplet's folder appears whole or not at all, so a build that was stopped goes on where it was.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from pvtt.builtin.bench.plan import HEIGHT, WIDTH, TripletPlan, plan_sha256, plan_triplet, plans
from pvtt.builtin.shop.assembly import build as assemble
from pvtt.builtin.shop.assembly import centre_height
from pvtt.builtin.shop.catalog import FPS
from pvtt.builtin.shop.film import ENCODER, write_with_music
from pvtt.builtin.shop.products import ProductSpec
from pvtt.builtin.shop.render import Placed, Renderer, outline
from pvtt.builtin.shop.scenes import FOV_Y_DEG, camera_path, framed
from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_directory, atomic_write_text, sweep_temporaries
from pvtt.files.hashing import sha256_file
from pvtt.items.progress import Progress
from pvtt.media.arrays import Frame, MaskVideo, Video
from pvtt.media.images import write_png
from pvtt.media.masks import write_masks
from pvtt.records.base import parse_record
from pvtt.records.bench import (
    BENCH_FILE,
    TRIPLET_FILE,
    TRIPLETS,
    Bench,
    BenchShot,
    CameraPath,
    GalleryPhoto,
    Triplet,
)

HASHES = Path(__file__).parent / "hashes.json"  # of plans, and of what was rendered; `publish.py` writes it
FILM_ENCODER = ENCODER | {"crf": "17"}  # what a contender keeps is to be told from what it changes
PHOTO_SIZE = 256
GALLERY_SIZE = 160
GALLERY_PHOTOS = 2
GALLERY_SETUP = 3  # the first of its photos' setups: those before are the contenders'
DIFFERS = 3  # grey levels: more of a difference between the films before encoding is a change
AROUND = 2  # pixels that the region goes beyond what differs


@dataclass(frozen=True)
class Filmed:
    """A shot with the template's product and with the new one.

    Attributes:
        template, truth: (F, H, W, 3) each.
        template_mask, product_mask: (F, H, W), 0 or 255.
        camera: The path that both were filmed on.
    """

    template: Video
    truth: Video
    template_mask: MaskVideo
    product_mask: MaskVideo
    camera: CameraPath

    @property
    def region(self) -> MaskVideo:
        """Where the films differ, and the products: 0 or 255."""
        difference = np.abs(self.template.astype(np.int16) - self.truth).max(axis=-1) > DIFFERS
        changed = difference | (self.template_mask > 0) | (self.product_mask > 0)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * AROUND + 1, 2 * AROUND + 1))
        return np.stack([np.asarray(cv2.dilate(one.astype(np.uint8) * 255, kernel), np.uint8) for one in changed])


def film_shots(renderer: Renderer, plan: TripletPlan) -> Iterator[Filmed]:
    """Film each shot of a triplet twice, at a distance that both products fit into."""
    for part in plan.film.shots:
        (stands,) = part.products
        pair = [stands, Placed(plan.product, stands.x, stands.z, stands.yaw)]
        points = np.concatenate([outline([one]) for one in pair])
        move = framed(part.move, points, part.num_frames, WIDTH / HEIGHT, part.fill)
        height = centre_height([piece for one in pair for piece in assemble(one.spec)])
        (template, before), (truth, after) = (
            renderer.render([one], move, part.scene, part.num_frames, WIDTH, HEIGHT, target_height=height)
            for one in pair
        )
        positions, targets = camera_path(move, part.num_frames, height)
        camera = CameraPath(
            positions=tuple((float(x), float(y), float(z)) for x, y, z in positions),
            targets=tuple((float(x), float(y), float(z)) for x, y, z in targets),
            fov_y_deg=FOV_Y_DEG,
        )
        yield Filmed(template, truth, before, after, camera)


def write_triplet(renderer: Renderer, plan: TripletPlan, folder: Path) -> None:
    """Render a triplet into `folder`, which appears when it is whole."""
    shots = list(film_shots(renderer, plan))
    with atomic_directory(folder) as new:
        for name, films in (("template", [one.template for one in shots]), ("truth", [one.truth for one in shots])):
            write_with_music((frame for film in films for frame in film), plan.film, new / f"{name}.mp4", FILM_ENCODER)
        for name, masks in (
            ("template-mask", [one.template_mask for one in shots]),
            ("product-mask", [one.product_mask for one in shots]),
            ("region", [one.region for one in shots]),
        ):
            write_masks(new / f"{name}.mkv", np.concatenate(masks), FPS)
        photos = []
        for place in range(plan.num_photos):
            photo, _ = renderer.render_photo(plan.product, place, PHOTO_SIZE)
            photos.append(f"photos/{place + 1}.jpg")
            _write_jpeg(new / photos[-1], photo)
        gallery = tuple(_write_gallery(renderer, plan, new))
        triplet = Triplet(
            name=plan.name,
            product_id=_id(plan.product),
            template_product_id=_id(plan.template_product),
            category=plan.product.category,
            caption=plan.product.caption,
            width=WIDTH,
            height=HEIGHT,
            fps=float(FPS),
            num_frames=plan.film.num_frames,
            shots=tuple(_shots(plan, shots)),
            splits=plan.splits,
            template="template.mp4",
            photos=tuple(photos),
            truth="truth.mp4",
            product_mask="product-mask.mkv",
            template_mask="template-mask.mkv",
            region="region.mkv",
            gallery=gallery,
        )
        atomic_write_text(new / TRIPLET_FILE, triplet.to_json(indent=1) + "\n")


def _shots(plan: TripletPlan, shots: Sequence[Filmed]) -> Iterator[BenchShot]:
    first = 0
    for part, filmed in zip(plan.film.shots, shots, strict=True):
        yield BenchShot(first_frame=first, num_frames=part.num_frames, move=part.move.kind, camera=filmed.camera)
        first += part.num_frames


def _write_gallery(renderer: Renderer, plan: TripletPlan, folder: Path) -> Iterator[GalleryPhoto]:
    """The new product, those like it and the old one, on photos that contenders do not see."""
    for spec in (plan.product, *plan.look_alikes, plan.template_product):
        for place in range(GALLERY_PHOTOS):
            photo, mask = renderer.render_photo(spec, GALLERY_SETUP + place, GALLERY_SIZE)
            stem = f"gallery/{_id(spec)}-{place + 1}"
            _write_jpeg(folder / f"{stem}.jpg", photo)
            write_png(folder / f"{stem}-mask.png", mask)
            yield GalleryPhoto(product_id=_id(spec), path=f"{stem}.jpg", mask_path=f"{stem}-mask.png")


def _id(spec: ProductSpec) -> str:
    return f"{spec.namespace}-{spec.index:04d}"


def _write_jpeg(path: Path, photo: Frame) -> None:
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    Image.fromarray(photo).save(path, "JPEG", quality=90, optimize=True)


def build(folder: Path, *, is_small: bool, jobs: int, numbers: Sequence[int] | None = None) -> Bench:
    """Render what is missing of the bench, and list its files.

    Args:
        folder: Gets `triplets/` and `bench.json`.
        is_small: Of the first 24 triplets alone.
        jobs: Worker processes that render at once.
        numbers: Of these triplets alone, counted from 0; None: all.

    Raises:
        PvttError: No renderer or no EGL here.
    """
    wanted = plans(is_small) if numbers is None else tuple(plan_triplet(number) for number in numbers)
    place = folder / TRIPLETS
    place.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(folder)
    missing = [plan.number for plan in wanted if not (place / plan.name / TRIPLET_FILE).is_file()]
    if missing:
        _render_missing(place, missing, len(wanted), jobs)
    own = {plan.name: plan_sha256(plan) for plan in wanted}
    bench = list_files(folder, list(own)).model_copy(update={"plans": own})
    atomic_write_text(folder / BENCH_FILE, bench.to_json(indent=1) + "\n")
    return bench


def _render_missing(place: Path, missing: Sequence[int], total: int, jobs: int) -> None:
    context = multiprocessing.get_context("spawn")  # the engine does not survive a fork
    # A process keeps its engine, which takes seconds to start; each triplet is told of when it is done.
    with (
        context.Pool(min(jobs, len(missing))) as pool,
        Progress("bench", total, done=total - len(missing), unit="triplets") as progress,
    ):
        for name in pool.imap_unordered(_Render(place), missing):
            progress.advance(note=name)


@cache
def _own_renderer() -> Renderer:
    """This worker's, for its whole life."""
    return Renderer()


@dataclass(frozen=True)
class _Render:
    """Renders one triplet in a worker."""

    place: Path

    def __call__(self, number: int) -> str:
        plan = plan_triplet(number)
        write_triplet(_own_renderer(), plan, self.place / plan.name)
        return plan.name


def list_files(folder: Path, names: Sequence[str]) -> Bench:
    """The bench of these triplets, with the hash of each of their files."""
    files = {}
    for name in names:
        for path in sorted(path for path in (folder / TRIPLETS / name).rglob("*") if path.is_file()):
            files[path.relative_to(folder).as_posix()] = sha256_file(path)
    return Bench(kind="synthetic", triplets=tuple(names), files=files)


def read_hashes() -> Bench:
    """The published bench's list. Raises `PvttError` where this copy of the project has none."""
    if not HASHES.is_file():
        raise PvttError(f"{HASHES} is missing", "restore it with `git checkout`")
    return parse_record(Bench, HASHES.read_bytes(), HASHES, "restore it with `git checkout`")


def differing(bench: Bench, published: Bench) -> list[str]:
    """The files of a bench that are listed as published, and are not so byte for byte, or are missing."""
    own = {path.split("/")[1] for path in bench.files}
    listed = {path: sha256 for path, sha256 in published.files.items() if path.split("/")[1] in own}
    return [path for path, sha256 in listed.items() if bench.files.get(path) != sha256]


def planned_otherwise(bench: Bench, published: Bench) -> list[str]:
    """The triplets of a bench that are rendered from something else than the published ones."""
    return [name for name, sha256 in bench.plans.items() if published.plans.get(name) != sha256]
