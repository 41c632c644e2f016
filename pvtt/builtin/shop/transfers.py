"""Transfers with a truth: shots of the shop's test products, filmed again with another test product in their place.

The studio, the light and the camera are the shot's own, to the pixel; shadow, reflection and outline are the other
product's. The films are never served, so no crawl finds them and no training sees them.

Test products are those that `validate` holds out with its default params. Where a dataset is split otherwise, it leaves
out what is not of two test products.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pvtt.builtin.shop.assembly import build as assemble
from pvtt.builtin.shop.assembly import centre_height
from pvtt.builtin.shop.catalog import FPS, HEIGHT, WIDTH, Entry, FilmShot, good_entries
from pvtt.builtin.shop.film import ENCODER
from pvtt.builtin.shop.meshes import rotation
from pvtt.builtin.shop.render import Placed, Renderer, outline
from pvtt.builtin.shop.scenes import CameraMove, colour_distance, framed, reach
from pvtt.dataset.split import position
from pvtt.files.atomic import atomic_path
from pvtt.files.hashing import sha256_file
from pvtt.items.progress import Progress
from pvtt.media.arrays import MaskVideo, Video
from pvtt.media.masks import write_masks
from pvtt.media.video import StreamWriter
from pvtt.params.validate import ValidateParams
from pvtt.records.base import write_jsonl
from pvtt.records.transfers import TRUTHS_FILE, TransferTruth

TRUTHS = Path(__file__).parent / "truths"
PER_PRODUCT = 1  # templates that each product is put into
MAX_REACH = 0.96  # of the way to the frame's border, as `fill` of `pvtt.builtin.shop.scenes.framed`
MIN_CONTRAST = 0.25  # of a product's main colour and a studio's floor
# The shop's own films are compressed as a shop would; a truth is to be told from its template by what it shows.
TRUTH_ENCODER = ENCODER | {"crf": "18"}


@dataclass(frozen=True)
class Transfer:
    """A shot and the product to film in it.

    Attributes:
        template: Whose film has the shot.
        film, shot: Which of its films, and which shot of that; both count from 0.
        product: Takes the place of the template's product.
    """

    template: Entry
    film: int
    shot: int
    product: Entry

    @property
    def shot_name(self) -> tuple[str, ...]:
        """The template's id, and the numbers of film and shot, from 1."""
        return self.template.product_id, str(self.film + 1), str(self.shot + 1)

    @property
    def name(self) -> str:
        """The stem of its files, for example `JEWE003-1-2-as-BOTT003`."""
        return f"{'-'.join(self.shot_name)}-as-{self.product.product_id}"

    @property
    def part(self) -> FilmShot:
        return self.template.films[self.film].shots[self.shot]


@cache
def transfers() -> tuple[Transfer, ...]:
    """All of them: each test product in `PER_PRODUCT` shots of others that it fits in, all shots used evenly."""
    products = held_out_entries()
    uses: Counter[tuple[str, ...]] = Counter()
    chosen: list[Transfer] = []
    for turn in range(PER_PRODUCT):
        for product in products:
            earlier = {one.template.product_id for one in chosen if one.product is product}
            possible = [one for one in _possible(product, products) if one.template.product_id not in earlier]
            fitting = [one for one in possible if _fits(one)]
            if not fitting:
                continue
            least = min(
                fitting,
                key=lambda one: (uses[one.shot_name], uses[one.shot_name[:1]], position(one.name, str(turn))),
            )
            uses.update([least.shot_name, least.shot_name[:1]])
            chosen.append(least)
    return tuple(chosen)


def _possible(product: Entry, templates: Sequence[Entry]) -> list[Transfer]:
    return [
        Transfer(template, film, shot, product)
        for template in templates
        for film, takes in enumerate(template.films)
        for shot in range(len(takes.shots))
        if template is not product
    ]


def held_out_entries() -> tuple[Entry, ...]:
    """The good entries that `validate` makes test products of, by its default params, in the order of their ids."""
    params = ValidateParams()
    placed = sorted(good_entries(), key=lambda entry: position(entry.product_id, params.split_salt))
    inside = [entry for entry in placed if position(entry.product_id, params.split_salt) < params.split_ratios[2]]
    count = max(len(inside), params.min_held_out)
    return tuple(sorted(placed[:count], key=lambda entry: entry.product_id))


def _fits(transfer: Transfer) -> bool:
    """Whether the product stays in the frame, and is told from the floor."""
    part, spec = transfer.part, transfer.product.spec
    (stands,) = part.products
    turned = _outline(Placed(spec)) @ rotation("y", stands.yaw)[:3, :3].T
    far = reach(_move(part), turned, part.num_frames, WIDTH / HEIGHT, _middle(part))
    return far <= MAX_REACH and colour_distance(part.scene.ground, spec.colour) >= MIN_CONTRAST


@cache
def _outline(placed: Placed) -> npt.NDArray[np.float64]:
    return outline([placed])


@cache
def _move(part: FilmShot) -> CameraMove:
    """The camera as the shop's own film has it."""
    return framed(part.move, outline(part.products), part.num_frames, WIDTH / HEIGHT, part.fill)


@cache
def _middle(part: FilmShot) -> float:
    """The height that the shot's camera looks at."""
    return centre_height([piece for placed in part.products for piece in assemble(placed.spec)])


def render_transfer(renderer: Renderer, transfer: Transfer) -> tuple[Video, MaskVideo, MaskVideo]:
    """Film the shot with the other product.

    Returns:
        Frames (F, H, W, 3), sRGB; the other product's masks in them and the template's product's in the shot,
        (F, H, W), 0 or 255.
    """
    part, move = transfer.part, _move(transfer.part)
    (stands,) = part.products
    size = (WIDTH, HEIGHT)
    before = renderer.render_masks(part.products, move, part.num_frames, *size)
    instead = Placed(transfer.product.spec, stands.x, stands.z, stands.yaw)
    frames, after = renderer.render([instead], move, part.scene, part.num_frames, *size, target_height=_middle(part))
    return frames, after, before


def write_transfer(renderer: Renderer, transfer: Transfer, folder: Path) -> None:
    """Render a transfer into three files: the film, which is there last, and both masks."""
    frames, after, before = render_transfer(renderer, transfer)
    film, mask, template_mask = _files(transfer, folder)
    for path, masks in ((mask, after), (template_mask, before)):
        with atomic_path(path) as temporary:
            write_masks(temporary, masks, FPS)
    with (
        atomic_path(film) as temporary,
        StreamWriter(temporary, FPS, "libx264", TRUTH_ENCODER, "yuv420p", "rgb24") as writer,
    ):
        for frame in frames:
            writer.write(frame)


def build(folder: Path, site: Path, jobs: int) -> None:
    """Render what is missing of all transfers, and write their list.

    Args:
        folder: Gets `TRUTHS_FILE`, films and masks; never served.
        site: The shop, rendered, whose videos the list names by content.
        jobs: Worker processes that render at once.

    Raises:
        PvttError: No renderer or no EGL here.
    """
    every = transfers()
    missing = [number for number, one in enumerate(every) if not all(path.is_file() for path in _files(one, folder))]
    if missing:
        parts = min(len(missing), jobs * 2)
        chunks = [missing[start::parts] for start in range(parts)]
        context = multiprocessing.get_context("spawn")  # the engine does not survive a fork
        with context.Pool(min(jobs, parts)) as pool, Progress("transfers", len(missing), unit="films") as progress:
            results = [pool.apply_async(_render, (chunk, folder)) for chunk in chunks]
            for chunk, result in zip(chunks, results, strict=True):
                result.get()
                progress.advance(len(chunk))
    write_jsonl(folder / TRUTHS_FILE, [_describe(one, folder, site) for one in every])


def check(folder: Path, site: Path, scratch: Path, jobs: int) -> list[str]:
    """Render again into `scratch` and return the names whose bytes differ from those in `folder`, or are missing there.

    Raises:
        PvttError: As `build`.
    """
    build(scratch, site, jobs)
    names = sorted(path.name for path in scratch.iterdir())
    return [
        name
        for name in names
        if not (folder / name).is_file() or (folder / name).read_bytes() != (scratch / name).read_bytes()
    ]


def _render(numbers: Sequence[int], folder: Path) -> None:
    with Renderer() as renderer:
        for number in numbers:
            write_transfer(renderer, transfers()[number], folder)


def _files(transfer: Transfer, folder: Path) -> tuple[Path, Path, Path]:
    name = transfer.name
    return folder / f"{name}.mp4", folder / f"{name}.mkv", folder / f"{name}-template.mkv"


def _describe(transfer: Transfer, folder: Path, site: Path) -> TransferTruth:
    film, mask, template_mask = _files(transfer, folder)
    shots = transfer.template.films[transfer.film]
    first = int(np.sum([part.num_frames for part in shots.shots[: transfer.shot]]))
    return TransferTruth(
        template_video_sha256=sha256_file(site / transfer.template.video_paths[transfer.film]),
        template_start_s=first / FPS,
        product_video_sha256=sha256_file(site / transfer.product.video_paths[0]),
        num_frames=transfer.part.num_frames,
        fps=FPS,
        width=WIDTH,
        height=HEIGHT,
        path=film.name,
        sha256=sha256_file(film),
        mask_path=mask.name,
        mask_sha256=sha256_file(mask),
        template_mask_path=template_mask.name,
        template_mask_sha256=sha256_file(template_mask),
    )
