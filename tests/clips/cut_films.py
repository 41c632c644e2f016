"""Films of drawn products with known cuts, dissolves, fades, and with what is none of these.

`film_set` is what figures of the detector are measured on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from pvtt.media.arrays import Frame

WIDTH, HEIGHT = 256, 192
Backdrop = Literal["white", "grey", "dark", "studio", "textured"]
Join = Literal["cut", "dissolve", "black", "white"]
Event = Literal["none", "text", "text_fade", "exposure", "flash", "hand", "pop_noise", "flicker"]


@dataclass(frozen=True)
class Joint:
    """Where one shot becomes the next: the last frame that is the one's alone, and the first that is the next's."""

    last: int
    first: int


@dataclass(frozen=True)
class DrawnFilm:
    """Frames, (H, W, 3) RGB each, and where its shots join."""

    name: str
    frames: list[Frame]
    joints: tuple[Joint, ...]
    fps: int


def _backdrop(kind: Backdrop, rng: np.random.Generator) -> np.ndarray:
    image = np.empty((HEIGHT + 64, WIDTH + 64, 3), np.float32)
    if kind == "white":
        image[:] = rng.uniform(248, 255)
    elif kind == "grey":
        image[:] = rng.uniform(150, 215)
    elif kind == "dark":
        image[:] = rng.uniform(8, 40)
    elif kind == "studio":
        image[:] = rng.uniform(60, 220, 3) * np.linspace(0.8, 1.15, HEIGHT + 64)[:, None, None]
    else:
        coarse = rng.uniform(20, 235, (9, 12, 3)).astype(np.float32)
        image[:] = cv2.resize(coarse, (WIDTH + 64, HEIGHT + 64), interpolation=cv2.INTER_CUBIC)
    return image


def draw_shot(
    seed: int,
    num_frames: int,
    backdrop: Backdrop = "white",
    motion: float = 0.5,
    size: float = 0.3,
    event: Event = "none",
    form: int | None = None,
) -> list[Frame]:
    """One shot of one product: `motion` in pixels a frame, `size` as part of the height, noise of a camera.

    Products of one `form`, 0 to 2, are of one category: they differ in colours, print, size and place.
    """
    rng = np.random.default_rng(seed)
    wall = _backdrop(backdrop, rng)
    body, band = rng.permutation(
        [[205, 40, 45], [35, 60, 190], [230, 185, 30], [25, 140, 90], [60, 55, 60], [190, 165, 205]]
    )[:2]
    body, band = body.astype(np.float32), band.astype(np.float32)
    shape, num_bands = int(rng.integers(3)), rng.integers(1, 5)
    shape = shape if form is None else form
    centre = np.array([WIDTH / 2, HEIGHT / 2]) + rng.uniform(-20, 20, 2)
    way = rng.normal(size=2)
    way /= np.hypot(*way)
    turn, grow = rng.uniform(-0.02, 0.02) * motion, rng.uniform(-0.002, 0.003) * motion
    noise = rng.uniform(0.5, 2.0)
    event_at = num_frames // 2
    grid_y, grid_x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    pool = rng.normal(0, noise, (HEIGHT + 32, WIDTH + 32, 3)).astype(np.float32)
    frames = []
    for index in range(num_frames):
        shift = way * motion * (index - num_frames / 2)
        offset = np.clip(32 - shift * (0.6 if backdrop == "textured" else 0), 0, 63).astype(np.float32)
        image = cv2.getRectSubPix(wall, (WIDTH, HEIGHT), (float(offset[0] + WIDTH / 2), float(offset[1] + HEIGHT / 2)))
        half = size * HEIGHT * (1 + grow * index)
        x, y = centre + shift
        angle = turn * index
        u = ((grid_x - x) * np.cos(angle) + (grid_y - y) * np.sin(angle)) / half
        v = (-(grid_x - x) * np.sin(angle) + (grid_y - y) * np.cos(angle)) / half
        distance = [
            np.hypot(u * 1.6, v),
            np.maximum(abs(u) * 1.4, abs(v)),
            np.maximum(np.hypot(u, v), 0.6 - np.hypot(u, v) + 0.5),
        ][shape]
        inside = np.clip((1 - distance) * half / 1.5 + 0.5, 0, 1)[..., None]
        bands = (np.sin((v * 0.7 + u * 0.4) * num_bands * 3 + motion * index * 0.1) > 0.4)[..., None]
        light = np.clip(1.15 - 0.5 * abs(u + 0.3), 0.4, 1.2)[..., None]
        image = image * (1 - inside) + np.where(bands, band, body) * light * inside
        if event in ("text", "text_fade") and index >= event_at:
            strength = 1.0 if event == "text" else min(1.0, (index - event_at) / 10)
            layer = image.copy()
            cv2.putText(layer, "SALE -30%", (150, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (20, 20, 20), 2)
            image = image * (1 - strength) + layer * strength
        if event == "exposure" and index >= event_at:
            image = image * min(1.0, 0.8 + 0.2 * (index < event_at))
        if event == "flash" and index in (event_at, event_at + 1):
            image = image * 0.3 + 190
        if event == "hand":
            reach = max(0, 90 - abs(index - event_at) * 6)
            cv2.ellipse(image, (WIDTH, 150), (reach, 22), 0, 0, 360, (225, 180, 150), -1)
        if event == "flicker":
            spots = np.clip(np.array(body) + rng.normal(0, 60, (3, 3, 3)), 0, 255).astype(np.float32)
            image[60:140, 90:170] = cv2.resize(spots, (80, 80), interpolation=cv2.INTER_LINEAR)
        top, left = rng.integers(32, size=2)
        grain = pool[top : top + HEIGHT, left : left + WIDTH] * (3 if event == "pop_noise" and index == event_at else 1)
        frames.append(np.clip(image + grain, 0, 255).astype(np.uint8))
    return frames


def whip_pan(seed: int, still: int = 16, turning: int = 10) -> list[Frame]:
    """A room, of which the camera shows one place, turns fast, and shows another."""
    rng = np.random.default_rng(seed)
    room = cv2.resize(
        rng.uniform(20, 235, (12, 48, 3)).astype(np.float32), (4 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    turned = 3 * WIDTH * (0.5 - 0.5 * np.cos(np.pi * np.arange(turning + 1) / turning))
    lefts = np.concatenate([np.zeros(still), turned, np.full(still, 3 * WIDTH)]).astype(int)
    noisy = (room[:, left : left + WIDTH] + rng.normal(0, 1, (HEIGHT, WIDTH, 3)) for left in lefts)
    return [np.clip(frame, 0, 255).astype(np.uint8) for frame in noisy]


def join(shots: list[list[Frame]], joins: list[tuple[Join, int]]) -> tuple[list[Frame], tuple[Joint, ...]]:
    """Put shots one after the other; a dissolve of n frames takes them from both, a fade n from each side."""
    frames = list(shots[0])
    joints = []
    for shot, (kind, length) in zip(shots[1:], joins, strict=True):
        if kind == "cut":
            joints.append(Joint(len(frames) - 1, len(frames)))
            frames += shot
        elif kind == "dissolve":
            first = len(frames) - length
            for index in range(length):
                part = (index + 1) / (length + 1)
                frames[first + index] = _mix(frames[first + index], shot[index], part)
            joints.append(Joint(first - 1, first + length))
            frames += shot[length:]
        else:
            colour = np.full_like(shot[0], 0 if kind == "black" else 255)
            first = len(frames) - length
            for index in range(length):
                frames[first + index] = _mix(frames[first + index], colour, (index + 1) / length)
            faded = [_mix(colour, shot[index], (index + 1) / (length + 1)) for index in range(length)]
            joints.append(Joint(first - 1, len(frames) + length))
            frames += faded + shot[length:]
    return frames, tuple(joints)


def _mix(one: Frame, other: Frame, part: float) -> Frame:
    return np.round(one * (1 - part) + other * part).astype(np.uint8)


def draw_film(
    seed: int,
    joins: list[tuple[Join, int]],
    backdrop: Backdrop,
    event: Event = "none",
    fps: int = 24,
    form: int | None = None,
) -> DrawnFilm:
    """A film of len(joins) + 1 shots of other products on backdrops of one kind."""
    rng = np.random.default_rng(seed)
    scale = 24 / fps
    shots = [
        draw_shot(
            int(rng.integers(1 << 30)),
            int(rng.integers(44, 70) / scale),
            backdrop,
            motion=float(rng.choice([0, 0.15, 0.5, 1.2])) * scale,
            size=float(rng.uniform(0.16, 0.42)),
            event=event,
            form=form,
        )
        for _ in range(len(joins) + 1)
    ]
    frames, joints = join(shots, joins)
    name = f"{seed} {backdrop} {event} {fps}/s {','.join(f'{kind}{length}' for kind, length in joins)}"
    return DrawnFilm(name, frames, joints, fps)


def film_set(seeds: int = 3) -> list[Callable[[], DrawnFilm]]:
    """Hard cuts, dissolves of 6 to 24 frames, fades of 6 to 12, and shots in which something else happens."""
    makers: list[Callable[[], DrawnFilm]] = []
    backdrops: tuple[Backdrop, ...] = ("white", "grey", "dark", "studio", "textured")
    events: tuple[Event, ...] = ("text", "text_fade", "exposure", "flash", "hand", "pop_noise", "flicker", "none")
    for number in range(seeds):
        for place, backdrop in enumerate(backdrops):
            seed = 1000 * number + 10 * place
            for fps in (24, 12):
                makers.append(lambda s=seed, b=backdrop, f=fps: draw_film(s + f, [("cut", 0)] * 3, b, fps=f))
            makers.append(lambda s=seed, b=backdrop, n=number: draw_film(s + 4, [("cut", 0)] * 3, b, form=n % 3))
            lengths = [(6, 12, 24), (8, 16, 20), (10, 14, 18)][number % 3]
            makers.append(lambda s=seed, b=backdrop, n=lengths: draw_film(s + 1, [("dissolve", one) for one in n], b))
            makers.append(lambda s=seed, b=backdrop: draw_film(s + 2, [("black", 6), ("white", 8), ("black", 12)], b))
            makers += [lambda s=seed, b=backdrop, e=event: draw_film(s + 3, [], b, event=e) for event in events]
        makers.append(lambda n=number: DrawnFilm(f"{n} whip pan", whip_pan(n), (), 24))
    return makers
