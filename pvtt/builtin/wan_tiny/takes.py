"""What wan-tiny and pvtt-tiny are trained on: procedural products, each with photos, filmed twice.

A take is one studio and one camera move, filmed with a product and, again, with its partner in its place: the same
pixels outside what a product changes. So a take is also a transfer with a truth: its first film is a template, its
second what the template should become with photos of the partner, which the partner's own take has. Namespaces share
no product with the sample shop.
"""

from __future__ import annotations

import math
import multiprocessing
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.errors import MissingInputError, PvttError, first_line
from pvtt.files.atomic import atomic_path
from pvtt.files.storage import raise_storage_fault
from pvtt.items.progress import Progress

if TYPE_CHECKING:
    from pvtt.builtin.shop.products import ProductSpec
    from pvtt.builtin.shop.render import Renderer

NUM_FRAMES = 9  # neighbouring frames of a move of MOVE_FRAMES, at the shop's 12 a second
MOVE_FRAMES = 40
WIDTH, HEIGHT = 360, 240  # half of what the pipeline's clips have
RENDERED_WIDTH, RENDERED_HEIGHT = 480, 320
NUM_PHOTOS = 4
PHOTO_SIZE = 160
RENDERED_PHOTO = 240
MIN_FILL, MAX_FILL = 0.62, 0.9  # how far towards the frame's border the larger of the two products reaches

CHUNK = 40  # products that one process renders in a go, at most

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Take:
    """One studio and camera move with a product, and with its partner.

    Attributes:
        index: Number of the product.
        partner: Number of its partner, who has a take of its own in another studio.
        films: (2, F, H, W, 3) RGB: of the product, and of the partner.
        masks: (2, F, H, W), 255 where the product stands, at most that where its edge is.
        photos: Of the product, cut out, (V, S, S, 4) RGBA.
        caption: Of the product.
    """

    index: int
    partner: int
    films: UInt8
    masks: UInt8
    photos: UInt8
    caption: str


def partner_of(index: int) -> int:
    """Products are partners in pairs: 0 and 1, 2 and 3, …."""
    return index ^ 1


def take_file(directory: Path, index: int) -> Path:
    return directory / "takes" / f"{index:05d}.npz"


def render_take(renderer: Renderer, namespace: str, index: int) -> Take:
    """Film a product and its partner, and photograph the product."""
    from dataclasses import replace

    from pvtt.builtin.shop.assembly import build, centre_height
    from pvtt.builtin.shop.products import varied_spec
    from pvtt.builtin.shop.render import Placed, outline
    from pvtt.builtin.shop.scenes import framed, random_move, random_scene

    specs = [varied_spec(namespace, number) for number in (index, partner_of(index))]
    rng = np.random.default_rng([specs[0].seed, 2])
    scene = random_scene(rng, against=specs[0].colour)
    move = random_move(rng, category=specs[0].category)
    move = replace(move, yaw=float(rng.uniform(-35.0, 35.0)))
    placed = [Placed(spec, yaw=move.yaw) for spec in specs]
    fill = float(rng.uniform(MIN_FILL, MAX_FILL))
    points = np.concatenate([outline([one]) for one in placed])
    move = framed(move, points, MOVE_FRAMES, WIDTH / HEIGHT, fill)
    part = (MOVE_FRAMES, int(rng.integers(MOVE_FRAMES - NUM_FRAMES + 1)))
    height = centre_height([part for spec in specs for part in build(spec)])
    films, masks = [], []
    for one in placed:
        frames, covers = renderer.render(
            [one],
            move,
            scene,
            NUM_FRAMES,
            RENDERED_WIDTH,
            RENDERED_HEIGHT,
            part_of=part,
            target_height=height,
        )
        films.append([cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for frame in frames])
        masks.append([cv2.resize(cover, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for cover in covers])
    photos = [_cut_out(renderer, specs[0], number) for number in range(NUM_PHOTOS)]
    return Take(
        index,
        partner_of(index),
        np.array(films, dtype=np.uint8),
        np.array(masks, dtype=np.uint8),
        np.stack(photos),
        specs[0].caption,
    )


def _cut_out(renderer: Renderer, spec: ProductSpec, number: int) -> UInt8:
    photo, mask = renderer.render_photo(spec, number, RENDERED_PHOTO)
    size = (PHOTO_SIZE, PHOTO_SIZE)
    return np.dstack(
        [
            cv2.resize(photo, size, interpolation=cv2.INTER_AREA),
            cv2.resize(mask, size, interpolation=cv2.INTER_AREA),
        ]
    ).astype(np.uint8)


def _render_takes(directory: Path, namespace: str, indices: Sequence[int]) -> None:
    from pvtt.builtin.shop.render import Renderer

    with Renderer() as renderer:
        for index in indices:
            write_take(directory, render_take(renderer, namespace, index))


def write_take(directory: Path, take: Take) -> None:
    """Write a take, frames and photos as lossless PNGs in one file."""
    with atomic_path(take_file(directory, take.index)) as path, path.open("wb") as file:
        np.savez(
            file,
            films=_pack(take.films.reshape(-1, *take.films.shape[2:])),
            masks=_pack(take.masks.reshape(-1, *take.masks.shape[2:])),
            photos=_pack(take.photos),
            caption=np.array(take.caption),
        )


def _pack(images: UInt8) -> UInt8:
    """Images as PNGs, one after another, after their lengths in bytes."""
    encoded = [cv2.imencode(".png", image)[1].ravel() for image in images]
    lengths = np.array([len(one) for one in encoded], dtype=np.int64)
    return np.concatenate([lengths.view(np.uint8), *encoded])


def _unpack(packed: UInt8, count: int) -> UInt8:
    lengths = packed[: 8 * count].view(np.int64)
    ends = 8 * count + np.cumsum(lengths)
    images = [
        cv2.imdecode(packed[end - length : end], cv2.IMREAD_UNCHANGED)
        for end, length in zip(ends, lengths, strict=True)
    ]
    if any(image is None for image in images):
        raise ValueError("a picture in it is damaged")
    return np.asarray(images, dtype=np.uint8)


def read_take(directory: Path, index: int) -> Take:
    """Read a rendered take.

    Raises:
        MissingInputError: It is not rendered yet.
        PvttError: Its file is damaged.
    """
    path = take_file(directory, index)
    if not path.is_file():
        raise MissingInputError(f"take {index} of {path.parent} is missing", "render it with `pvtt wan-tiny takes`")
    try:
        with np.load(path) as stored:
            films = _unpack(stored["films"], 2 * NUM_FRAMES)
            masks = _unpack(stored["masks"], 2 * NUM_FRAMES)
            photos = _unpack(stored["photos"], NUM_PHOTOS)
            caption = str(stored["caption"])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, cv2.error) as error:
        raise_storage_fault(error, path)
        raise PvttError(
            f"{path} is damaged: {first_line(error)}", "delete it, and render it again with `pvtt wan-tiny takes`"
        ) from error
    return Take(
        index,
        partner_of(index),
        films.reshape(2, NUM_FRAMES, *films.shape[1:]),
        masks.reshape(2, NUM_FRAMES, *masks.shape[1:]),
        photos,
        caption,
    )


def render_takes(directory: Path, namespace: str, num_products: int, jobs: int) -> None:
    """Render what is missing of products 0 … `num_products` − 1 into `directory/takes`. Needs the extra `shop`."""
    missing = [index for index in range(num_products) if not take_file(directory, index).exists()]
    if not missing:
        return
    # Few parts, since a renderer takes seconds to start; several, for the progress.
    size = min(CHUNK, math.ceil(len(missing) / jobs))
    chunks = [missing[start : start + size] for start in range(0, len(missing), size)]
    context = multiprocessing.get_context("spawn")  # the engine does not survive a fork
    with (
        context.Pool(jobs) as pool,
        Progress("wan-tiny takes", num_products, done=num_products - len(missing), unit="products") as progress,
    ):
        results = [pool.apply_async(_render_takes, (directory, namespace, chunk)) for chunk in chunks]
        for chunk, result in zip(chunks, results, strict=True):
            result.get()
            progress.advance(len(chunk))


def rendered_takes(directory: Path) -> list[int]:
    """Numbers of the products that are rendered, in order."""
    return sorted(int(path.stem) for path in (directory / "takes").glob("[0-9]*.npz"))
