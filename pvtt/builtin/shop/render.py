"""Renders products with Filament (`filly`), off-screen, on the CPU or a GPU through EGL.

    with Renderer() as renderer:
        frames, masks = renderer.render_shot(product_spec("shop", 0), move, scene, 40, 720, 480)

The engine takes seconds to start (its reflections are filtered for each environment): keep one `Renderer` and reuse it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.builtin.shop import meshes, textures
from pvtt.builtin.shop.assembly import Part, build, centre_height
from pvtt.builtin.shop.meshes import Floats, Mesh, rotation, translation
from pvtt.builtin.shop.products import Colour, ProductSpec
from pvtt.builtin.shop.scenes import FOV_Y_DEG, CameraMove, SceneSpec, camera_path, framed, random_scene
from pvtt.errors import PvttError
from pvtt.media.arrays import Frame, MaskFrame, MaskVideo, Video

BACKDROP_RADIUS = 4.5  # of the flat floor, before the wall curves up
BACKDROP_BEND = 1.6  # radius of that curve
PHOTO_FILL = 0.8  # of the photo's half-width that the product reaches from the middle
_KEY_LIGHT_LUX = 55_000.0
_ENVIRONMENT_LUX = 32_000.0


@dataclass(frozen=True)
class Placed:
    """A product on the floor at (x, z), turned by `yaw` degrees."""

    spec: ProductSpec
    x: float = 0.0
    z: float = 0.0
    yaw: float = 0.0


class Renderer:
    """The engine, its environments and backdrop. A context manager; one a process.

    Raises:
        PvttError: `filly` is not installed, or the machine has no EGL.
    """

    def __init__(self) -> None:
        try:
            import filly  # type: ignore[import-untyped]
        except ImportError as error:
            raise PvttError(
                f"the shop's renderer does not load: {error}",
                "install it with `pip install 'pvtt[shop]'`; on Debian it needs `apt install libegl1 libgl1-mesa-dri`",
            ) from None
        filly.set_log_level("error")
        try:
            self._engine: Any = filly.Renderer()
        except filly.FillyError as error:
            raise PvttError(
                f"no off-screen rendering on this machine: {error}",
                "on Debian: `apt install libegl1 libgl1-mesa-dri` (only `pvtt shop build` needs them)",
            ) from None
        self._environments: dict[str, Any] = {}
        self._targets: dict[tuple[int, int], Any] = {}
        self._backdrop = _backdrop_mesh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()

    def render_shot(
        self, spec: ProductSpec, move: CameraMove, scene: SceneSpec, num_frames: int, width: int, height: int
    ) -> tuple[Video, MaskVideo]:
        """Film one product.

        Returns:
            Frames (F, H, W, 3), sRGB, and masks (F, H, W), 255 where the product is and 0 elsewhere.
        """
        return self.render([Placed(spec, yaw=move.yaw)], move, scene, num_frames, width, height)

    def render_photo(self, spec: ProductSpec, index: int, size: int) -> tuple[Frame, MaskFrame]:
        """Photograph a product; each index has its own studio, light and side, which the videos do not share.

        Returns:
            Photo (S, S, 3), sRGB, and mask (S, S) as `render_shot`'s.
        """
        move, scene = photo_setup(spec, index)
        move = framed(move, outline([Placed(spec, yaw=move.yaw)]), 1, 1.0, PHOTO_FILL)
        photos, masks = self.render([Placed(spec, yaw=move.yaw)], move, scene, 1, size, size)
        return photos[0], masks[0]

    def render(
        self,
        products: Sequence[Placed],
        move: CameraMove,
        scene: SceneSpec,
        num_frames: int,
        width: int,
        height: int,
        *,
        part_of: tuple[int, int] | None = None,
        target_height: float | None = None,
    ) -> tuple[Video, MaskVideo]:
        """Film any number of products, also none.

        Args:
            products: What stands on the floor.
            move: How the camera moves.
            scene: The studio.
            num_frames: Frames to film.
            width, height: Of a frame, in pixels.
            part_of: Film only a part of the move: (its frames, the first of them); None films all of it.
            target_height: What height the camera looks at; None: the products' middle.

        Returns:
            As `render_shot`, one mask for all products.
        """
        parts = [part for placed in products for part in _placed_parts(placed)]
        middle = target_height if target_height is not None else _middle(parts)
        length, first = part_of or (num_frames, 0)
        positions, targets = (points[first:] for points in camera_path(move, length, middle))
        frames = np.empty((num_frames, height, width, 3), dtype=np.uint8)
        masks = np.zeros((num_frames, height, width), dtype=np.uint8)
        target = self._target(width, height)
        # Of the backdrop: baking it is half of a small shot's time.
        texels = 1024 if height > 384 else 640 if height > 192 else 384
        with self._lit_scene(parts, scene, texels) as lit, self._mask_scene(parts) as flat:
            for k in range(num_frames):
                for stage in (lit, flat):
                    stage.camera.position = tuple(positions[k])
                    stage.camera.look_at(tuple(targets[k]))
                self._engine.render(lit, target)
                frames[k] = target.read()[..., :3]
                if parts:
                    self._engine.render(flat, target)
                    masks[k] = np.where(target.read()[..., 0] > 127, 255, 0)
        return frames, masks

    def render_masks(
        self, products: Sequence[Placed], move: CameraMove, num_frames: int, width: int, height: int
    ) -> MaskVideo:
        """The masks that `render` gives, without its frames: many times faster."""
        parts = [part for placed in products for part in _placed_parts(placed)]
        masks = np.zeros((num_frames, height, width), dtype=np.uint8)
        target = self._target(width, height)
        with self._mask_scene(parts) as flat:
            for k, (position, towards) in enumerate(zip(*camera_path(move, num_frames, _middle(parts)), strict=True)):
                flat.camera.position = tuple(position)
                flat.camera.look_at(tuple(towards))
                self._engine.render(flat, target)
                masks[k] = np.where(target.read()[..., 0] > 127, 255, 0)
        return masks

    @contextlib.contextmanager
    def _lit_scene(self, parts: Sequence[Part], spec: SceneSpec, texels: int) -> Iterator[Any]:
        with self._scene() as (scene, owned):
            scene.environment = self._environment(spec.environment)
            scene.environment_visible = False
            scene.environment_rotation_deg = spec.environment_turn
            scene.environment_intensity = _ENVIRONMENT_LUX
            azimuth, elevation = np.radians(spec.sun_azimuth), np.radians(spec.sun_elevation)
            towards = np.array(
                [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
            )
            scene.add_directional_light(
                direction=tuple(-towards),
                intensity=_KEY_LIGHT_LUX * spec.sun_strength,
                color=_linear(spec.sun_colour),
            )
            plain = textures.backdrop(spec.style, spec.background, spec.ground, spec.seed, texels)
            floor = textures.shade(plain, _soft_shadow([part.mesh for part in parts], towards, texels))
            self._add_mesh(scene, owned, self._backdrop, (1.0, 1.0, 1.0), texture=floor, unlit=True)
            for part in parts:
                material = part.material
                self._add_mesh(
                    scene,
                    owned,
                    part.mesh,
                    _linear(material.colour),
                    texture=material.texture,
                    metallic=material.metallic,
                    roughness=material.roughness,
                    double_sided=True,
                )
            yield scene

    @contextlib.contextmanager
    def _mask_scene(self, parts: Sequence[Part]) -> Iterator[Any]:
        with self._scene() as (scene, owned):
            for part in parts:
                self._add_mesh(scene, owned, part.mesh, (1.0, 1.0, 1.0), unlit=True, double_sided=True)
            yield scene

    @contextlib.contextmanager
    def _scene(self) -> Iterator[tuple[Any, list[Any]]]:
        """A scene with a camera; it and what is added to the list are freed in reverse order."""
        scene = self._engine.create_scene()
        camera = self._engine.create_camera()
        camera.set_perspective(fov_y_deg=FOV_Y_DEG, near=0.1, far=40.0)
        scene.camera = camera
        scene.msaa = 4
        owned = [camera, scene]
        try:
            yield scene, owned
        finally:
            for thing in reversed(owned):
                thing.close()

    def _add_mesh(
        self,
        scene: Any,
        owned: list[Any],
        mesh: Mesh,
        base_colour: Colour,
        texture: textures.Image8 | None = None,
        **material: Any,
    ) -> None:
        model = scene.create_mesh(
            mesh.positions,
            mesh.triangles,
            normals=mesh.normals,
            uvs=mesh.uvs,
            base_color=(*base_colour, 1.0),
            **material,
        )
        if texture is not None:
            # Not every driver makes mipmaps of three channels.
            opaque = np.dstack([texture, np.full(texture.shape[:2], 255, np.uint8)])
            image = self._engine.create_texture(opaque, color_space="srgb", mipmaps=True)
            model.material(model.material_names[0]).base_color_texture = image
            owned.append(image)
        owned.append(model)

    def _environment(self, name: str) -> Any:
        if name not in self._environments:
            self._environments[name] = self._engine.create_environment(_environment_pixels(name))
        return self._environments[name]

    def _target(self, width: int, height: int) -> Any:
        if (width, height) not in self._targets:
            self._targets[width, height] = self._engine.create_render_target(width=width, height=height)
        return self._targets[width, height]


def photo_setup(spec: ProductSpec, index: int) -> tuple[CameraMove, SceneSpec]:
    """How photo `index` of a product is taken: the camera, which stands still, and the studio."""
    rng = np.random.default_rng([spec.seed, 1000 + index])
    around = (0.0, 36.0, -40.0, 58.0, -62.0)[index % 5]
    high = spec.category in ("bracelet", "box")
    move = CameraMove(
        kind="handheld",
        azimuth=around + float(rng.uniform(-8.0, 8.0)),
        elevation=float(rng.uniform(24.0, 40.0) if high else rng.uniform(8.0, 30.0)),
        distance=float(rng.uniform(4.5, 5.1)),
        amount=0.0,
    )
    return move, random_scene(rng, against=spec.colour)


def outline(products: Sequence[Placed]) -> npt.NDArray[np.float64]:
    """The outermost points, (N, 3), of placed products: all that `pvtt.builtin.shop.scenes.framed` needs of them."""
    points = np.concatenate([part.mesh.positions for placed in products for part in _placed_parts(placed)])
    turn = np.arange(400) * np.pi * (3.0 - np.sqrt(5.0))  # a Fibonacci lattice: directions evenly over the sphere
    height = np.linspace(-1.0, 1.0, 400)
    flat = np.sqrt(1.0 - height**2)
    directions = np.stack([flat * np.cos(turn), height, flat * np.sin(turn)])
    # A row a direction: maxima along contiguous memory are found three times faster than along columns.
    return points[np.unique((directions.T @ points.T).argmax(axis=1))].astype(np.float64)


def _middle(parts: Sequence[Part]) -> float:
    """The height that a camera looks at."""
    return centre_height(parts) if parts else 0.6


def _placed_parts(placed: Placed) -> tuple[Part, ...]:
    matrix = translation(placed.x, 0.0, placed.z) @ rotation("y", placed.yaw)
    return tuple(Part(part.mesh.transformed(matrix), part.material) for part in build(placed.spec))


def _backdrop_mesh() -> Mesh:
    """A floor that curves up into a wall all around, seen from inside. UVs are polar: radius = way along the floor."""
    curve = np.linspace(0.0, np.pi / 2.0, 16)
    bend = BACKDROP_BEND
    profile = np.concatenate(
        [
            np.stack([np.linspace(0.0, BACKDROP_RADIUS, 24), np.zeros(24)], axis=1),
            np.stack([BACKDROP_RADIUS + bend * np.sin(curve), bend * (1.0 - np.cos(curve))], axis=1)[1:],
            [[BACKDROP_RADIUS + bend, 4.0]],
        ]
    )
    turned = meshes.lathe(profile, 96)
    triangles = np.ascontiguousarray(turned.triangles[:, ::-1])
    way = 1.0 - turned.uvs[:, 1]
    angle = np.arctan2(turned.positions[:, 2], turned.positions[:, 0])
    uvs = 0.5 + 0.5 * way[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Mesh(turned.positions, -turned.normals, np.ascontiguousarray(uvs, dtype=np.float32), triangles)


def _floor_reach() -> float:
    """Units of the floor from the middle of the backdrop's texture to its edge."""
    return BACKDROP_RADIUS + BACKDROP_BEND * np.pi / 2.0 + (4.0 - BACKDROP_BEND)


def _soft_shadow(casters: Sequence[Mesh], towards: npt.NDArray[np.float64], size: int) -> Floats:
    """Darkness of the floor, (size, size) in [0, 1]: a penumbra that grows with height, and contact with the floor.

    Args:
        casters: Meshes that stand on y = 0.
        towards: (3,) direction to the light.
        size: Side of the floor's square texture, in texels.
    """
    light = np.ones((size, size), dtype=np.float32)
    pixels = size / 2.0 / _floor_reach()
    levels = ((0.0, 0.3, 0.05), (0.3, 0.8, 0.13), (0.8, 9.0, 0.24))  # heights from, to, blur: in units
    for low, high, blur in levels:
        darkness = _footprint(casters, low, high, towards[[0, 2]] / towards[1], pixels, size)
        light *= 1.0 - 0.38 * cv2.GaussianBlur(darkness, (0, 0), blur * pixels)
    overhead = np.zeros(2)
    for low, high, blur, strength in ((0.0, 0.08, 0.035, 0.5), (0.0, 0.5, 0.14, 0.3), (0.0, 9.0, 0.4, 0.25)):
        darkness = _footprint(casters, low, high, overhead, pixels, size)
        light *= 1.0 - strength * cv2.GaussianBlur(darkness, (0, 0), blur * pixels)
    return np.asarray(1.0 - light, dtype=np.float32)


def _footprint(
    casters: Sequence[Mesh],
    low: float,
    high: float,
    lean: npt.NDArray[np.float64],
    pixels: float,
    size: int,
) -> Floats:
    """Where triangles with heights in [low, high) fall on the floor along the light; 1 = covered."""
    image = np.zeros((size, size), dtype=np.float32)
    for mesh in casters:
        corners = mesh.positions[mesh.triangles].astype(np.float64)  # (M, 3, 3)
        height = corners[:, :, 1].mean(axis=1)
        chosen = corners[(height >= low) & (height < high)]
        flat = chosen[:, :, [0, 2]] - chosen[:, :, 1:2] * lean
        points = np.round((flat * pixels + size / 2.0) * 8.0).astype(np.int32)
        for triangle in points:
            cv2.fillConvexPoly(image, triangle, 1.0, shift=3)
    return image


def _environment_pixels(name: str) -> Floats:
    """An equirectangular studio, (64, 128, 3) linear: dim walls, bright panels for the highlights.

    Raises:
        ValueError: No such environment.
    """
    height, width = 64, 128
    rows = np.linspace(1.0, 0.0, height, dtype=np.float32)[:, None, None]
    pixels = np.zeros((height, width, 3), dtype=np.float32)
    match name:
        case "softbox":
            pixels += 0.22 + 0.25 * rows
            pixels[6:26, 12:44] = 3.2
            pixels[10:30, 76:92] = 2.4
            pixels[0:5] = 1.6
            pixels[22:34, 104:110] = 1.8
        case "window":
            pixels += (0.20 + 0.3 * rows) * np.array([1.05, 1.0, 0.94], dtype=np.float32)
            for left in (20, 31, 42):
                pixels[8:30, left : left + 8] = np.array([3.0, 3.3, 3.7], dtype=np.float32)
            pixels[14:28, 90:104] = np.array([2.4, 2.0, 1.5], dtype=np.float32)
            pixels[0:4] = 1.2
        case _:
            raise ValueError(f"no environment {name!r}")
    return pixels


def _linear(colour: Colour) -> Colour:
    """sRGB to linear."""
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour)
    return red, green, blue
