"""Printed patterns, labels, dials and studio backdrops as sRGB images, (H, W, 3) uint8."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pvtt.builtin.shop.meshes import Floats
from pvtt.builtin.shop.products import Colour

Image8 = npt.NDArray[np.uint8]


def pattern(name: str, ground: Colour, ink: Colour, width: int, height: int, repeats: int) -> Image8:
    """A repeating print that closes on itself left to right.

    Args:
        name: One of `pvtt.builtin.shop.products.VARIED_PATTERNS`.
        ground, ink: Colours, sRGB in [0, 1].
        width, height: Size of the image in pixels.
        repeats: Motifs from left to right.

    Raises:
        ValueError: No such pattern.
    """
    # x counts motifs along the width, y in the same unit; centres of pixels.
    scale = repeats / width
    x, y = np.meshgrid((np.arange(width) + 0.5) * scale, (np.arange(height) + 0.5) * scale)
    fx, fy = x % 1.0 - 0.5, y % 1.0 - 0.5
    match name:
        case "stripes":
            distance = np.abs(fx) - 0.22
        case "dots":
            distance = np.hypot(fx, fy) - 0.28
        case "chevrons":
            distance = np.abs((y * 1.4 + np.abs(fx)) % 1.0 - 0.5) - 0.22
        case "checks":
            distance = np.where((x % 2.0 < 1.0) ^ (y % 2.0 < 1.0), -1.0, 1.0) * np.minimum(0.5 - abs(fx), 0.5 - abs(fy))
        case "diamonds":
            distance = np.abs(fx) + np.abs(fy) * 0.7 - 0.3
        case "waves":
            distance = np.abs((y + 0.22 * np.sin(2.0 * np.pi * x)) % 0.8 - 0.4) - 0.17
        case "triangles":
            distance = np.maximum(np.abs(fx) * 1.7 - (0.42 - fy) * 0.8, fy - 0.32)
        case "rings":
            distance = np.abs(np.hypot(fx, fy) - 0.3) - 0.09
        case "plaid":
            distance = np.minimum(np.abs(fx), np.abs(fy)) - 0.12
        case "speckle":
            cell = (np.floor(x) % repeats) * 12.9898 + np.floor(y) * 78.233
            distance = np.hypot(fx - 0.2 * np.sin(cell * 3.7), fy - 0.2 * np.cos(cell * 5.3))
            distance = distance - (0.12 + 0.08 * np.sin(cell))
        case "leather":
            turn = 2.0 * np.pi
            grain = np.sin(turn * 2.0 * x + 2.0 * np.sin(turn * y)) * np.sin(turn * 2.0 * y + 2.0 * np.sin(turn * x))
            distance = 0.3 * grain + 0.12
        case "bars":
            distance = np.abs((x + y) % 1.0 - 0.5) - 0.25
        case "scales":
            row = 2.0 * y
            distance = np.hypot((x + 0.5 * (np.floor(row) % 2.0)) % 1.0 - 0.5, 0.7 * (row % 1.0 - 0.5)) - 0.4
        case _:
            raise ValueError(f"no pattern {name!r}")
    cover = (0.5 - distance / scale).clip(0.0, 1.0)[..., None]  # one pixel of blending at the motif's border
    mixed = np.array(ground) * (1.0 - cover) + np.array(ink) * cover
    return np.asarray((mixed * 255.0).round(), dtype=np.uint8)


def label(brand: str, pattern_name: str, ground: Colour, ink: Colour, width: int = 768, height: int = 384) -> Image8:
    """A wrap-around print: the pattern above and below, the brand twice around."""
    repeats = 12 if pattern_name != "checks" else 16
    canvas = Image.fromarray(pattern(pattern_name, ground, ink, width, height, repeats))
    draw = ImageDraw.Draw(canvas)
    band = (int(height * 0.32), int(height * 0.68))
    draw.rectangle((0, band[0], width, band[1]), fill=_rgb(ground))
    for edge in band:
        draw.rectangle((0, edge - 4, width, edge + 4), fill=_rgb(ink))
    font = ImageFont.load_default(size=(band[1] - band[0]) * 0.62)
    for centre in (width * 0.25, width * 0.75):
        draw.text((centre, height / 2), brand.upper(), font=font, fill=_rgb(ink), anchor="mm")
    return np.array(canvas, dtype=np.uint8)


def panel(brand: str, pattern_name: str, ground: Colour, ink: Colour, size: int = 384) -> Image8:
    """A square print for flat faces: the pattern in a frame around a plate with the brand's initial."""
    repeats = 6 if pattern_name != "checks" else 8
    canvas = Image.fromarray(pattern(pattern_name, ground, ink, size, size, repeats))
    draw = ImageDraw.Draw(canvas)
    middle, radius = size / 2, size * 0.22
    for grow, fill in ((size * 0.03, ink), (0.0, ground)):
        reach = radius + grow
        draw.ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=_rgb(fill))
    font = ImageFont.load_default(size=radius * 1.4)
    draw.text((middle, middle), brand[0].upper(), font=font, fill=_rgb(ink), anchor="mm")
    return np.array(canvas, dtype=np.uint8)


def dial(ground: Colour, ink: Colour, marks: int, hour: float, size: int = 384) -> Image8:
    """A watch's face with `marks` indices and hands that show `hour` in [0, 12)."""
    canvas = Image.new("RGB", (size, size), _rgb(ground))
    draw = ImageDraw.Draw(canvas)
    middle = size / 2

    def ray(turn: float, start: float, end: float, width: int, fill: Colour) -> None:
        direction = np.array([np.sin(2.0 * np.pi * turn), -np.cos(2.0 * np.pi * turn)])
        a, b = (tuple(middle + direction * middle * reach) for reach in (start, end))
        draw.line((*a, *b), fill=_rgb(fill), width=width)

    draw.ellipse((4, 4, size - 4, size - 4), outline=_rgb(ink), width=5)
    for k in range(60):
        ray(k / 60, 0.90, 0.94, 2, ink)
    for k in range(marks):
        ray(k / marks, 0.72, 0.93, 12, ink)
    ray(hour / 12.0, -0.08, 0.5, 16, ink)
    ray(hour % 1.0, -0.1, 0.75, 10, ink)
    draw.ellipse((middle - 14, middle - 14, middle + 14, middle + 14), fill=_rgb(ink))
    return np.array(canvas, dtype=np.uint8)


def backdrop(style: str, wall: Colour, floor: Colour, seed: int, size: int) -> Floats:
    """A studio backdrop before shadows, seen from above: the middle is where products stand.

    Args:
        style: "plain", "gradient", "velvet", "spot" or "marble".
        wall, floor: sRGB in [0, 1]: at the rim and in the middle.
        seed: Seed of grain and veins.
        size: Side of the square image, pixels.

    Returns:
        (size, size, 3) sRGB in [0, 1]. Grain keeps smooth ramps from banding in 8 bits.

    Raises:
        ValueError: No such style.
    """
    rng = np.random.default_rng(seed)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2.0 - 1.0
    radius = np.hypot(axis[None], axis[:, None])
    grain = rng.standard_normal((size, size)).astype(np.float32)
    wall_rgb, floor_rgb = np.array(wall, dtype=np.float32), np.array(floor, dtype=np.float32)
    ramp = _smoothstep(radius, 0.25, 0.95)
    noise = 0.008 * grain
    light = np.ones_like(radius)
    match style:
        case "plain":
            ramp, light = ramp * 0.35, 1.0 - 0.25 * _smoothstep(radius, 0.3, 1.0)
        case "gradient":
            pass
        case "velvet":
            folds = _blurred(grain, size / 40.0)
            noise = 0.012 * _blurred(grain, size / 600.0) + 0.022 * folds
            light = 1.0 - 0.5 * _smoothstep(radius, 0.15, 0.9)
        case "spot":
            light = 0.45 + 0.55 * np.exp(-((radius / 0.42) ** 2))
        case "marble":
            flow = _blurred(rng.standard_normal((size, size)).astype(np.float32), size / 16.0)
            veins = np.abs(np.sin(7.0 * flow + 9.0 * axis[None] + 5.0 * axis[:, None]))
            noise = noise - 0.06 * np.exp(-((veins / 0.16) ** 2)) + 0.02 * flow
        case _:
            raise ValueError(f"no backdrop style {style!r}")
    colour = floor_rgb + (wall_rgb - floor_rgb) * ramp[..., None]
    return np.asarray((colour * light[..., None] + noise[..., None]).clip(0.0, 1.0), dtype=np.float32)


def shade(backdrop_image: Floats, darkness: Floats) -> Image8:
    """Darken a backdrop by (size, size) `darkness` in [0, 1], warm-neutral as a soft shadow is."""
    lit = backdrop_image * (1.0 - darkness[..., None] * np.array([0.80, 0.78, 0.74], dtype=np.float32))
    return np.asarray((lit * 255.0).round(), dtype=np.uint8)


def _blurred(noise: Floats, sigma: float) -> Floats:
    """Noise at one scale, of unit deviation again."""
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), dtype=np.float32)


def _smoothstep(values: Floats, low: float, high: float) -> Floats:
    t = ((values - low) / (high - low)).clip(0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def _rgb(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(255.0 * value) for value in colour)
    return red, green, blue
