"""A drawn sample: a product that moves over a ground under a moving camera, and a bad video of it.

All of it follows from integers and a few sines, the same on every machine and with every version of every library. The
three channels differ everywhere, nothing is symmetric, and product, ground and camera each move their own way, so that
an exchanged channel, a mirrored mask, a shifted frame or a reversed flow gives other figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pvtt.evaluation.certification.probes import probes
from pvtt.evaluation.contenders.all import CONTENDERS
from pvtt.evaluation.metrics.identity import embed_photos
from pvtt.evaluation.metrics.metric import Appearance, Networks, Scene
from pvtt.generation.composite import composite
from pvtt.media.arrays import Region, Rgba, Video

NUM_FRAMES, HEIGHT, WIDTH = 5, 64, 96
TOP, LEFT, PRODUCT_HEIGHT, PRODUCT_WIDTH = 18, 30, 28, 34
MARGIN = 4  # pixels that the hole is wider than the product
PAN = -2  # pixels a frame that the ground moves by
RAW_PAN = -3  # the same in the bad video
SPEED = 1  # pixels a frame that the product moves by
PRODUCTS = {  # what is added to a product's colours
    "TRUE001": (0, 0, 0),
    "OTHER002": (-90, 70, 60),
    "OLD003": (-60, -20, 120),
}
SIDE = 48  # of photos

Floats = npt.NDArray[np.float64]


def ground(pan: int) -> Video:
    """The ground under a camera that moves it by `pan` pixels a frame, (F, H, W, 3)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    frames = []
    for index in range(NUM_FRAMES):
        at = x - pan * index
        red = 90 + 40 * np.sin(at / 6) + 20 * np.sin(y / 5)
        green = 110 + 35 * np.sin(at / 7 + 1) + 25 * np.cos(y / 4)
        blue = 140 + 30 * np.cos(at / 5) + 20 * np.sin(y / 6 + 2)
        frames.append(to_levels(np.stack([red, green, blue], axis=-1)))
    return np.stack(frames)


def product(product_id: str, height: int = PRODUCT_HEIGHT, width: int = PRODUCT_WIDTH) -> Floats:
    """How a product looks from the front, (height, width, 3)."""
    v, u = np.mgrid[:height, :width]
    v, u = v * PRODUCT_HEIGHT / height, u * PRODUCT_WIDTH / width
    red = 150 + 60 * np.sin(u / 4)
    green = 90 + 50 * np.sin(v / 5 + 1)
    blue = 70 + 40 * np.cos((u + v) / 6)
    return np.asarray(np.stack([red, green, blue], axis=-1) + PRODUCTS[product_id])


def box(margin: int = 0) -> Region:
    """Where the product is, and `margin` pixels around it, (F, H, W)."""
    region = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.bool_)
    for index in range(NUM_FRAMES):
        left = LEFT + SPEED * index
        region[index, TOP - margin : TOP + PRODUCT_HEIGHT + margin, left - margin : left + PRODUCT_WIDTH + margin] = (
            True
        )
    return region


def film(product_id: str, pan: int = PAN) -> Video:
    """A product over the ground, (F, H, W, 3)."""
    video = ground(pan)
    video[box()] = np.broadcast_to(
        to_levels(product(product_id)), (NUM_FRAMES, PRODUCT_HEIGHT, PRODUCT_WIDTH, 3)
    ).reshape(-1, 3)
    return video


def bad_film() -> Video:
    """What a bad model makes: duller, off in colour, noisy, blinking, and under a camera that moves too fast."""
    y = np.array(film("TRUE001", RAW_PAN), np.float64)
    noise = grain(y.shape, 24)
    blinking = 10 * (np.arange(NUM_FRAMES) % 2)[:, None, None, None]
    return to_levels(0.8 * y + np.array([22, -6, 30]) + noise + blinking)


def grain(shape: tuple[int, ...], levels: float, seed: int = 1) -> Floats:
    """Noise, evenly spread over ±`levels`/2 grey levels, that no library's generator has a part in."""
    index = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(seed * 7_919)
    mixed = (index * np.uint64(2_654_435_761)) % np.uint64(2**32)
    mixed = ((mixed ^ (mixed >> np.uint64(15))) * np.uint64(2_246_822_519)) % np.uint64(2**32)
    mixed ^= mixed >> np.uint64(13)
    return ((mixed.astype(np.float64) / 2**32 - 0.5) * levels).reshape(shape)


def to_levels(colours: Floats) -> Video:
    """Rounded and clipped to 0-255."""
    levels: Video = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    return levels


def photo(product_id: str) -> Rgba:
    """A product on nothing, (S, S, 4); under the transparent pixels lies magenta."""
    image = np.full((SIDE, SIDE, 4), (255, 0, 255, 0), np.uint8)
    image[8:-8, 6:-6, :3] = to_levels(product(product_id, SIDE - 16, SIDE - 12))
    image[8:-8, 6:-6, 3] = 255
    return image


def drawn_scene() -> Scene:
    """A transfer whose output is bad, with a video of each other contender that is bad in its own way."""
    truth, template, raw, hole = film("TRUE001"), film("OLD003"), bad_film(), box(MARGIN)
    others = {contender.name: _other(index, template, hole) for index, contender in enumerate(CONTENDERS) if index}
    return Scene(
        truth=truth,
        template=template,
        product=box(),
        hole=hole,
        raw=raw,
        output=composite(raw, template, hole),
        others=others | {"swapped": _swapped(template, hole)},
        product_id="TRUE001",
        partner_id="OTHER002",
        template_id="OLD003",
        gallery=gallery(),
        photos=[photo("TRUE001")],
        networks=probes(),
        caption="a striped product",
    )


def gallery() -> Mapping[str, Appearance]:
    """How the products' photos look."""
    looks = {product_id: embed_photos([photo(product_id)], SIDE) for product_id in PRODUCTS}
    return {product_id: look for product_id, look in looks.items() if look is not None}


def _other(index: int, template: Video, hole: Region) -> Video:
    shifted = np.roll(film("TRUE001"), index, axis=2) + np.float64(4 * index)
    return np.where(hole[..., None], to_levels(shifted), template)


def _swapped(template: Video, hole: Region) -> Video:
    return np.where(hole[..., None], to_levels(film("OTHER002") + grain(template.shape, 20, seed=2)), template)


def with_networks(scene: Scene, networks: Networks) -> Scene:
    """The same scene, seen by other networks."""
    return replace(scene, networks=networks, _known={})
