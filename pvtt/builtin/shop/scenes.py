"""Studios, lights and camera moves.

Units: the product's bounding sphere has radius 1; the floor is y = 0; angles are degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pvtt.builtin.shop.products import Colour

MoveKind = Literal["orbit", "dolly", "pan", "handheld"]
MOVE_KINDS: tuple[MoveKind, ...] = ("orbit", "dolly", "pan", "handheld")
BACKDROPS = ("plain", "gradient", "velvet", "spot", "marble")
ENVIRONMENTS = ("softbox", "window")
FOV_Y_DEG = 30.0

# sRGB wall and floor; muted, so that the product is what stands out.
STUDIOS: dict[str, tuple[Colour, Colour]] = {
    "pearl": ((0.80, 0.80, 0.82), (0.95, 0.95, 0.95)),
    "linen": ((0.74, 0.68, 0.59), (0.91, 0.87, 0.80)),
    "slate": ((0.16, 0.18, 0.21), (0.38, 0.41, 0.45)),
    "blush": ((0.72, 0.52, 0.50), (0.93, 0.79, 0.76)),
    "sage": ((0.42, 0.50, 0.42), (0.70, 0.77, 0.68)),
    "dusk": ((0.20, 0.19, 0.34), (0.48, 0.46, 0.64)),
    "sand": ((0.62, 0.49, 0.36), (0.86, 0.75, 0.60)),
    "ocean": ((0.13, 0.27, 0.36), (0.38, 0.56, 0.64)),
    "burgundy": ((0.20, 0.04, 0.08), (0.46, 0.13, 0.19)),
    "forest": ((0.05, 0.15, 0.11), (0.16, 0.34, 0.26)),
    "ink": ((0.04, 0.05, 0.09), (0.15, 0.17, 0.25)),
    "mist": ((0.62, 0.68, 0.74), (0.84, 0.88, 0.91)),
}


@dataclass(frozen=True)
class SceneSpec:
    """A studio around the product.

    Attributes:
        background: Colour of the backdrop's rim, sRGB in [0, 1].
        ground: Colour of the floor where the product stands.
        style: One of `BACKDROPS`.
        seed: Of the backdrop's grain and veins.
        environment: One of `ENVIRONMENTS`: what the product reflects.
        environment_turn: Degrees about the vertical.
        sun_azimuth, sun_elevation: Where the key light stands, as a camera's azimuth and elevation.
        sun_strength: Factor on the key light's brightness.
        sun_colour: sRGB in [0, 1].
    """

    background: Colour
    ground: Colour
    style: str = "gradient"
    seed: int = 0
    environment: str = "softbox"
    environment_turn: float = 0.0
    sun_azimuth: float = 30.0
    sun_elevation: float = 55.0
    sun_strength: float = 1.0
    sun_colour: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class CameraMove:
    """How the camera moves about the product during one shot.

    Attributes:
        kind: "orbit" (about the product), "dolly" (towards it or away), "pan" (sideways), "handheld" (breathing).
        azimuth: Where the camera stands in the middle of the shot; 0 is in front.
        elevation: How far the camera stands above the horizon.
        distance: To the product's middle; at 4 it about fills the height of the frame.
        amount: Extent of the move: degrees of an orbit, units of a dolly or pan, 1 = usual handheld. The sign is
            the direction.
        seed: Seed of handheld's wobble.
        yaw: How far the product itself is turned.
    """

    kind: MoveKind
    azimuth: float = 0.0
    elevation: float = 18.0
    distance: float = 5.0
    amount: float = 30.0
    seed: int = 0
    yaw: float = 0.0


def camera_path(
    move: CameraMove, num_frames: int, centre_height: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where the camera is and what it looks at, frame by frame.

    Returns:
        Positions (F, 3) and targets (F, 3).
    """
    t = np.linspace(-0.5, 0.5, num_frames) if num_frames > 1 else np.zeros(1)
    eased = t * (1.5 - 2.0 * t**2)  # slow in, slow out; -0.5 and 0.5 stay
    azimuth = np.full(num_frames, move.azimuth)
    elevation = np.full(num_frames, move.elevation)
    distance = np.full(num_frames, move.distance)
    shift = np.zeros(num_frames)
    rise = np.zeros(num_frames)
    match move.kind:
        case "orbit":
            azimuth = azimuth + move.amount * eased
        case "dolly":
            distance = distance - move.amount * eased
        case "pan":
            shift = move.amount * eased
        case "handheld":
            rng = np.random.default_rng(move.seed)
            seconds = np.arange(num_frames) / 12.0
            azimuth = azimuth + 3.0 * move.amount * _wobble(rng, seconds)
            elevation = elevation + 1.5 * move.amount * _wobble(rng, seconds)
            shift = 0.10 * move.amount * _wobble(rng, seconds)
            rise = 0.07 * move.amount * _wobble(rng, seconds)
    az, el = np.radians(azimuth), np.radians(elevation)
    back = np.stack([np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)], axis=1)
    right = np.stack([np.cos(az), np.zeros(num_frames), -np.sin(az)], axis=1)
    target = np.array([0.0, centre_height, 0.0]) + right * shift[:, None] + np.stack([0 * rise, rise, 0 * rise], axis=1)
    return target + back * distance[:, None], target


def framed(
    move: CameraMove, points: npt.NDArray[np.float64], num_frames: int, aspect: float, fill: float
) -> CameraMove:
    """The move at the distance from which the product just stays inside the middle of the frame.

    Args:
        move: The move whose distance is replaced.
        points: (N, 3) points of the product.
        num_frames: Frames that the move takes.
        aspect: Width of the frame over its height.
        fill: How far from the middle to the border the product may reach, in (0, 1).
    """
    middle = float(points[:, 1].max()) / 2.0
    near, far = 2.5, 14.0
    for _ in range(24):
        distance = (near + far) / 2.0
        reached = reach(replace(move, distance=distance), points, num_frames, aspect, middle)
        near, far = (distance, far) if reached > fill else (near, distance)
    return replace(move, distance=far)


def reach(move: CameraMove, points: npt.NDArray[np.float64], num_frames: int, aspect: float, middle: float) -> float:
    """The farthest that any point gets from the middle of any frame; 1 is the border.

    Args:
        move: The move, with its distance.
        points: (N, 3) points of the product.
        num_frames: Frames that the move takes.
        aspect: Width of the frame over its height.
        middle: Height that the camera looks at.
    """
    positions, targets = camera_path(move, num_frames, middle)
    forward = targets - positions
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    up = np.cross(right, forward)
    seen = points[None] - positions[:, None]  # (F, N, 3)
    half = np.tan(np.radians(FOV_Y_DEG) / 2.0)
    depth = np.maximum(np.einsum("fnc,fc->fn", seen, forward), 1e-3) * half
    across = np.abs(np.einsum("fnc,fc->fn", seen, right)) / (depth * aspect)
    return float(max(across.max(), (np.abs(np.einsum("fnc,fc->fn", seen, up)) / depth).max()))


def random_scene(
    rng: np.random.Generator, avoid: tuple[SceneSpec, ...] = (), against: Colour | None = None
) -> SceneSpec:
    """A studio drawn at random.

    Args:
        rng: Source of randomness.
        avoid: Studios that the new one must clearly differ from, as after a cut.
        against: A colour that the floor must clearly differ from, as the product's.
    """
    for attempt in range(64):
        wall, floor = list(STUDIOS.values())[int(rng.integers(len(STUDIOS)))]
        tint = rng.uniform(-0.04, 0.04, size=3)
        scene = SceneSpec(
            background=_clipped(np.array(wall) + tint),
            ground=_clipped(np.array(floor) + tint),
            style=BACKDROPS[int(rng.integers(len(BACKDROPS)))],
            seed=int(rng.integers(2**31)),
            environment=ENVIRONMENTS[int(rng.integers(len(ENVIRONMENTS)))],
            environment_turn=float(rng.uniform(0.0, 360.0)),
            sun_azimuth=float(rng.choice([-1.0, 1.0]) * rng.uniform(15.0, 65.0)),
            sun_elevation=float(rng.uniform(42.0, 68.0)),
            sun_strength=float(rng.uniform(0.8, 1.15)),
            sun_colour=_clipped(np.array([1.0, 0.96, 0.9]) + rng.uniform(-0.04, 0.08) * np.array([0.2, 0.6, 1.0])),
        )
        loosening = 1.0 - attempt / 64
        far = all(colour_distance(scene.ground, other.ground) > 0.35 * loosening for other in avoid)
        if far and (against is None or colour_distance(scene.ground, against) > 0.40 * loosening):
            break
    return scene


def random_move(rng: np.random.Generator, kind: MoveKind | None = None, category: str | None = None) -> CameraMove:
    """A camera move drawn at random that keeps a product of this category fully in a frame of 3:2.

    Args:
        rng: Source of randomness.
        kind: One of `MOVE_KINDS`; at random if None.
        category: Flat things are seen from higher up.
    """
    chosen = kind or MOVE_KINDS[int(rng.integers(len(MOVE_KINDS)))]
    sign = float(rng.choice([-1.0, 1.0]))
    high = category in ("bracelet", "box")
    move = CameraMove(
        kind=chosen,
        azimuth=float(rng.uniform(-25.0, 25.0)),
        elevation=float(rng.uniform(20.0, 34.0) if high else rng.uniform(8.0, 24.0)),
        distance=float(rng.uniform(4.5, 5.4)),
        seed=int(rng.integers(2**31)),
        yaw=float(rng.uniform(-15.0, 15.0)),
    )
    match chosen:
        case "orbit":
            return replace(move, amount=sign * float(rng.uniform(35.0, 70.0)))
        case "dolly":
            return replace(move, distance=move.distance + 0.7, amount=sign * float(rng.uniform(1.2, 2.0)))
        case "pan":
            return replace(move, distance=move.distance + 0.3, amount=sign * float(rng.uniform(0.7, 1.2)))
        case _:
            return replace(move, amount=float(rng.uniform(0.9, 1.5)))


def _wobble(rng: np.random.Generator, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A smooth random walk about 0 of about unit size: three slow sines."""
    frequency = np.array([0.23, 0.61, 1.1]) * rng.uniform(0.8, 1.2, size=3)
    phase = rng.uniform(0.0, 2.0 * np.pi, size=3)
    waves = np.sin(2.0 * np.pi * seconds[:, None] * frequency + phase)
    return np.asarray(waves @ np.array([0.7, 0.35, 0.15]), dtype=np.float64)


def _clipped(values: npt.NDArray[np.float64]) -> Colour:
    red, green, blue = (float(value) for value in values.clip(0.0, 1.0))
    return red, green, blue


def colour_distance(a: Colour, b: Colour) -> float:
    """Between two sRGB colours in [0, 1], Euclidean."""
    return float(np.linalg.norm(np.array(a) - np.array(b)))
