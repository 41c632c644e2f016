"""Procedural clips that wan-tiny is trained on: products of the namespace `base`, of which the sample shop has none."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pvtt.builtin.wan_tiny import config
from pvtt.errors import MissingInputError
from pvtt.files.atomic import atomic_path
from pvtt.items.progress import Progress

NAMESPACE = "base"
SHOTS = 2  # a product
SUPERSAMPLING = 2  # rendered at twice the size, then averaged, as a clip that was filmed larger would be


@dataclass(frozen=True)
class BaseClips:
    """Clips of whole products, in the order of their indices.

    Attributes:
        videos: (N * SHOTS, F, H, W, 3), uint8.
        captions: One text a clip, N * SHOTS in all.
    """

    videos: npt.NDArray[np.uint8]
    captions: list[str]


def _file(directory: Path, index: int) -> Path:
    return directory / "clips" / f"{index:05d}.npy"


def _render_products(directory: Path, indices: Sequence[int]) -> None:
    import cv2

    from pvtt.builtin.shop.products import product_spec
    from pvtt.builtin.shop.render import Renderer
    from pvtt.builtin.shop.scenes import random_move, random_scene

    with Renderer() as renderer:
        for index in indices:
            spec = product_spec(NAMESPACE, index)
            clips = []
            for shot_number in range(SHOTS):
                rng = np.random.default_rng([spec.seed, shot_number])
                move = random_move(rng, category=spec.category)
                scene = random_scene(rng, against=spec.colour)
                width, height = config.WIDTH * SUPERSAMPLING, config.HEIGHT * SUPERSAMPLING
                frames, _ = renderer.render_shot(spec, move, scene, config.NUM_FRAMES, width, height)
                size = (config.WIDTH, config.HEIGHT)
                clips.append([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
            with atomic_path(_file(directory, index)) as path, path.open("wb") as file:
                np.save(file, np.array(clips, dtype=np.uint8))


def render_clips(directory: Path, num_products: int, jobs: int) -> None:
    """Render what is missing of products 0 … `num_products` − 1 into `directory/clips`. Needs the extra `shop`."""
    missing = [index for index in range(num_products) if not _file(directory, index).exists()]
    if not missing:
        return
    parts = min(len(missing), jobs * 4)  # few, since a renderer takes seconds to start; several, for the progress
    chunks = [missing[start::parts] for start in range(parts)]
    context = multiprocessing.get_context("spawn")  # the engine does not survive a fork
    with (
        context.Pool(jobs) as pool,
        Progress("wan-tiny data", num_products, done=num_products - len(missing), unit="products") as progress,
    ):
        results = [pool.apply_async(_render_products, (directory, chunk)) for chunk in chunks]
        for chunk, result in zip(chunks, results, strict=True):
            result.get()
            progress.advance(len(chunk))


def rendered_products(directory: Path) -> list[int]:
    """Indices of the products that are rendered, in order."""
    return sorted(int(path.stem) for path in (directory / "clips").glob("[0-9]*.npy"))


def load_clips(directory: Path, indices: Sequence[int]) -> BaseClips:
    """Load rendered products.

    Raises:
        MissingInputError: A product is not rendered yet.
    """
    from pvtt.builtin.shop.products import product_spec

    missing = [index for index in indices if not _file(directory, index).exists()]
    if missing:
        raise MissingInputError(
            f"{len(missing)} products of {directory}/clips are missing, {missing[0]} first",
            "render them with `pvtt wan-tiny data`",
        )
    videos = np.concatenate([np.load(_file(directory, index)) for index in indices])
    captions = [product_spec(NAMESPACE, index).caption for index in indices for _ in range(SHOTS)]
    return BaseClips(videos, captions)
