"""Drawn clips whose masks are not to be trusted: hands, what passes in front, what comes and goes."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.media.arrays import Frame, Video
from tests.scenes import draw_shot

WIDTH, HEIGHT, NUM_FRAMES = 240, 160, 24
SKINS = ((224, 172, 140), (190, 130, 95), (130, 85, 60))


def _product(seed: int) -> Video:
    return draw_shot(seed, NUM_FRAMES, width=WIDTH, height=HEIGHT)[0]


def _backdrop(seed: int) -> Frame:
    """The shot's backdrop, without its product."""
    frame = _product(seed)[0]
    return np.repeat(np.median(frame[:, :20], axis=1, keepdims=True), WIDTH, axis=1).astype(np.uint8)


def _paint(frame: Frame, region: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Fill a region, (H, W) in 0 to 255, shaded from above as a rounded thing is."""
    depth = cv2.distanceTransform((region > 127).astype(np.uint8), cv2.DIST_L2, 3)
    light = (0.75 + 0.3 * np.clip(depth / 8, 0, 1))[..., None]
    weight = cv2.GaussianBlur(region, (3, 3), 0)[..., None] / 255
    frame[:] = np.clip(frame * (1 - weight) + np.array(colour) * light * weight, 0, 255).astype(np.uint8)


def draw_hand(frame: Frame, x: float, y: float, towards: tuple[float, float], skin: tuple[int, int, int]) -> None:
    """A hand at (x, y) with its arm reaching in from where `towards` points, drawn into the frame."""
    region = np.zeros(frame.shape[:2], np.uint8)
    step = np.array(towards) / np.hypot(*towards)
    across = np.array([-step[1], step[0]])
    palm = np.array([x, y])
    cv2.line(region, _at(palm), _at(palm + 300 * step), 255, 22)
    cv2.ellipse(region, (_at(palm), (40, 32), float(np.degrees(np.arctan2(step[1], step[0])))), 255, -1)
    for number in range(-1, 3):
        root = palm + across * (9 * number - 4)
        cv2.line(region, _at(root), _at(root - step * (30 - 3 * abs(number))), 255, 8)
    _paint(frame, region, skin)


def _at(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def hand_reaches_in(seed: int) -> Video:
    """A product that stands, and a hand that comes from the right and takes hold of it."""
    frames = _product(seed)
    for index, frame in enumerate(frames):
        draw_hand(frame, WIDTH + 60 - 7 * index if index < 18 else WIDTH - 66, 90, (1, 0.15), SKINS[seed % 3])
    return frames


def hand_holds(seed: int) -> Video:
    """A product held up by a hand from below, both swaying."""
    frames = np.stack(
        [np.roll(frame, round(8 * np.sin(index / 4)), axis=1) for index, frame in enumerate(_product(seed))]
    )
    for index, frame in enumerate(frames):
        x = WIDTH / 2 + 0.6 * (index - NUM_FRAMES / 2) + 8 * np.sin(index / 4)
        draw_hand(frame, x, 118, (0.2, 1), SKINS[seed % 3])
    return frames


def card_passes(seed: int) -> Video:
    """A dark card that hides the product for a while."""
    frames = _product(seed)
    for index, frame in enumerate(frames):
        left = -120 + 16 * index
        frame[20:150, max(0, left) : max(0, left + 120)] = (70, 74, 80)
    return frames


def slides_out(seed: int) -> Video:
    """A product that leaves the frame."""
    frames = _product(seed)
    backdrop = _backdrop(seed)
    moved = []
    for index, frame in enumerate(frames):
        shift = 7 * index
        moved.append(np.concatenate([backdrop[:, :shift], frame[:, : WIDTH - shift]], axis=1))
    return np.stack(moved)


def product_is_exchanged(seed: int) -> Video:
    """A small product, then a wide one in its place."""
    frames = _product(seed)
    backdrop = _backdrop(seed)
    for frame in frames[NUM_FRAMES // 2 :]:
        frame[:] = backdrop
        region = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(
            region,
            (
                WIDTH // 2,
                HEIGHT // 2,
            ),
            (100, 22),
            0,
            0,
            360,
            255,
            -1,
        )
        _paint(frame, region, (60, 150, 60))
    return frames
