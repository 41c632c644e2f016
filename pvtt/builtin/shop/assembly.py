"""From a `ProductSpec` to meshes with materials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from pvtt.builtin.shop import meshes, textures
from pvtt.builtin.shop.meshes import Array, Mesh, rotation, scaling, translation
from pvtt.builtin.shop.products import Colour, ProductSpec
from pvtt.builtin.shop.textures import Image8

WHITE: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Material:
    """glTF's metallic-roughness model; `colour` is sRGB and multiplies `texture`, (H, W, 3) sRGB uint8."""

    colour: Colour
    metallic: float
    roughness: float
    texture: Image8 | None = None


@dataclass(frozen=True)
class Part:
    """A mesh and what it is made of."""

    mesh: Mesh
    material: Material


@lru_cache(maxsize=8)  # a take, a photo or a shot asks for the same few products again and again
def build(spec: ProductSpec) -> tuple[Part, ...]:
    """The product, standing on y = 0 at the origin, with its front towards +z; its bounding sphere has radius 1.

    Its arrays are shared by all who ask for it, and read-only.
    """
    parts = [_finished(part, spec.finish) for part in _BUILDERS[spec.category](spec)]
    points = np.concatenate([part.mesh.positions for part in parts]).astype(np.float64)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2.0
    size = 1.0 / float(np.linalg.norm(points - middle, axis=1).max())
    low = float(points[:, 1].min())
    place = scaling(size, size, size) @ translation(-middle[0], -low, -middle[2])
    return tuple(_read_only(replace(part, mesh=part.mesh.transformed(place))) for part in parts)


def _read_only(part: Part) -> Part:
    mesh = part.mesh
    for array in (mesh.positions, mesh.normals, mesh.uvs):
        array.setflags(write=False)
    mesh.triangles.setflags(write=False)
    if part.material.texture is not None:
        part.material.texture.setflags(write=False)
    return part


def _finished(part: Part, finish: str) -> Part:
    material = part.material
    if finish == "gloss" or material.metallic > 0.5:
        return part
    metallic, roughness = {"satin": (0.0, 0.4), "matte": (0.0, 0.8), "metallic": (0.7, 0.3)}[finish]
    return replace(part, material=replace(material, metallic=metallic, roughness=max(material.roughness, roughness)))


def centre_height(parts: Sequence[Part]) -> float:
    """Height of the middle of what stands on y = 0."""
    return float(max(part.mesh.positions[:, 1].max() for part in parts)) / 2.0


def _metal(spec: ProductSpec, roughness: float = 0.2) -> Material:
    return Material(spec.metal_colour, 1.0, roughness)


def _gloss(colour: Colour, roughness: float = 0.12) -> Material:
    return Material(colour, 0.0, roughness)


def _print(image: Image8, roughness: float = 0.35) -> Material:
    return Material(WHITE, 0.0, roughness, image)


def _circle(radius: float, count: int, axis: str = "z") -> Array:
    angles = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    c, s, o = np.cos(angles) * radius, np.sin(angles) * radius, np.zeros(count)
    return np.stack([c, s, o] if axis == "z" else [c, o, -s], axis=1)


def _hoop(radius: float, section: Array, segments: int = 96) -> Mesh:
    """A lathe-turned ring about the y axis; `section` (S, 2) is counter-clockwise about the tube's middle."""
    return meshes.lathe(section + np.array([radius, 0.0]), segments, closed=True)


def _ring(spec: ProductSpec) -> list[Part]:
    a, b, c, d, *_ = spec.proportions
    upright = rotation("x", 90.0)
    width, thickness = 0.26 + 0.16 * a, 0.17 + 0.08 * b
    stone = _gloss(spec.colour, 0.06)
    if spec.style == "twisted":
        strand = meshes.ellipse(0.17, 0.17, 12)
        path = _circle(1.0, 160)
        turns = np.linspace(0.0, 2.0 * np.pi * (7 + int(4 * c)), 160, endpoint=False)
        out, side = np.cos(turns) * 0.085, np.sin(turns) * 0.085
        strands = []
        for sign in (1.0, -1.0):
            bent = path * (1.0 + sign * out[:, None])
            bent[:, 2] += sign * side
            strands.append(meshes.sweep(bent, strand, closed=True))
        parts = [Part(strands[0], _metal(spec, 0.16)), Part(strands[1], _gloss(spec.colour))]
    elif spec.style == "band":
        section = meshes.rounded_rectangle(thickness, width * 1.7, 0.05)
        inlay = meshes.rounded_rectangle(0.06, width * 0.9, 0.02)
        image = textures.pattern(spec.pattern, spec.colour, spec.accent, 1536, 96, 32)
        parts = [
            Part(_hoop(1.0, section).transformed(upright), _metal(spec)),
            Part(_hoop(1.0 + thickness / 2.0, inlay).transformed(upright), _print(image, 0.15)),
        ]
    else:
        section = meshes.ellipse(thickness, width) if c < 0.5 else meshes.rounded_rectangle(thickness, width, 0.06)
        parts = [Part(_hoop(1.0, section).transformed(upright), _metal(spec, 0.14))]

    sides, top = 8 + 4 * int(3 * d), translation(0.0, 1.12, 0.0)
    if spec.style == "solitaire":
        size = 0.36 + 0.12 * b
        parts.append(Part(meshes.gem(size, sides).transformed(translation(0.0, 1.25 + size * 0.4, 0.0)), stone))
        cone = meshes.lathe(np.array([[0.12, 0.0], [0.2, 0.18], [size * 0.86, 0.34], [size * 0.7, 0.36]]), 8)
        parts.append(Part(cone.transformed(translation(0.0, 1.0, 0.0)), _metal(spec, 0.14)))
    elif spec.style == "signet":
        plate = meshes.extrude(meshes.rounded_rectangle(0.95 + 0.3 * a, 0.85, 0.3), 0.3, 0.05)
        face = meshes.extrude(meshes.rounded_rectangle(0.75 + 0.3 * a, 0.65, 0.22), 0.08, 0.02)
        lie = rotation("x", -90.0)
        image = textures.panel(spec.brand, spec.pattern, spec.colour, spec.accent)
        parts.append(Part(plate.transformed(top @ lie), _metal(spec)))
        parts.append(Part(face.transformed(translation(0.0, 1.27, 0.0) @ lie), _print(image, 0.15)))
    elif spec.style == "trilogy":
        for angle, size, material in (
            (0.0, 0.34, stone),
            (30.0, 0.25, _gloss(spec.accent, 0.06)),
            (-30.0, 0.25, _gloss(spec.accent, 0.06)),
        ):
            place = rotation("z", angle) @ translation(0.0, 1.12 + size * 0.6, 0.0)
            parts.append(Part(meshes.gem(size, sides).transformed(place), material))
            cup = meshes.lathe(np.array([[size * 0.5, -0.5 * size], [size * 1.04, -0.02], [size * 0.9, 0.04]]), 24)
            parts.append(Part(cup.transformed(place), _metal(spec, 0.14)))
    elif spec.style == "halo":
        size = 0.34 + 0.08 * b
        parts.append(Part(meshes.gem(size, sides).transformed(translation(0.0, 1.38, 0.0)), stone))
        count = 14
        beads = [
            meshes.sphere(0.105, 14).transformed(rotation("y", 360.0 * k / count) @ translation(size + 0.08, 1.36, 0.0))
            for k in range(count)
        ]
        parts.append(Part(meshes.merge(beads), _gloss(spec.accent, 0.08)))
        seat = meshes.lathe(np.array([[0.14, 0.0], [size * 0.8, 0.24], [size + 0.16, 0.30], [size + 0.1, 0.34]]), 32)
        parts.append(Part(seat.transformed(translation(0.0, 1.0, 0.0)), _metal(spec, 0.14)))
    return parts


def _bracelet(spec: ProductSpec) -> list[Part]:
    a, b, c, d, *_ = spec.proportions
    tilt = rotation("x", 12.0)
    match spec.style:
        case "bangle":
            thickness = 0.20 + 0.08 * a
            image = textures.pattern(
                spec.pattern, spec.colour, spec.accent, 1536, 128, 28 if spec.pattern != "checks" else 40
            )
            hoop = _hoop(1.0, meshes.ellipse(thickness, 0.42 + 0.2 * b, 24))
            inlay = _hoop(1.0 + thickness * 0.42, meshes.rounded_rectangle(0.06, 0.24 + 0.12 * b, 0.02))
            parts = [Part(hoop, _metal(spec)), Part(inlay, _print(image, 0.15))]
        case "beaded":
            count = 16 + 2 * int(4 * a)
            radius = np.pi / count
            metal_every = 4 + int(3 * b)
            groups: tuple[list[Mesh], list[Mesh], list[Mesh]] = ([], [], [])
            for k in range(count):
                bead = meshes.sphere(radius * 1.02, 22)
                kind = 2 if k % metal_every == 0 else k % 2
                groups[kind].append(bead.transformed(rotation("y", 360.0 * k / count) @ translation(1.0, 0.0, 0.0)))
            materials = (_gloss(spec.colour, 0.1), _gloss(spec.accent, 0.1), _metal(spec))
            parts = [Part(meshes.merge(group), material) for group, material in zip(groups, materials, strict=True)]
        case "twisted":
            turns = np.linspace(0.0, 2.0 * np.pi * (9 + int(5 * a)), 220, endpoint=False)
            path, wire = _circle(1.0, 220, "y"), 0.12 + 0.04 * b
            parts = []
            for phase, material in ((0.0, _metal(spec, 0.16)), (0.5, _gloss(spec.colour)), (0.25, _gloss(spec.accent))):
                shifted = turns + 2.0 * np.pi * phase
                bent = path * (1.0 + np.cos(shifted)[:, None] * wire * 0.7)
                bent[:, 1] += np.sin(shifted) * wire * 0.7
                tube = meshes.sweep(bent, meshes.ellipse(wire, wire, 12), closed=True)
                parts.append(Part(tube, material))
        case "cuff":
            height = 0.6 + 0.3 * a
            image = textures.label(spec.brand, spec.pattern, spec.colour, spec.accent, 1536, 256)
            parts = [Part(_hoop(1.0, meshes.rounded_rectangle(0.1, height * 0.86, 0.03)), _print(image, 0.2))]
            rim = _hoop(1.0, meshes.ellipse(0.16, 0.12, 14))
            parts += [Part(rim.transformed(translation(0.0, y * height / 2.0, 0.0)), _metal(spec)) for y in (1, -1)]
        case _:  # chain
            count = 16 + 2 * int(3 * c)
            link = meshes.sweep(
                np.column_stack([meshes.rounded_rectangle(0.52, 0.34 + 0.08 * d, 0.15), np.zeros(20)]),
                meshes.ellipse(0.1, 0.1, 10),
                closed=True,
            )
            links: tuple[list[Mesh], list[Mesh]] = ([], [])
            for k in range(count):
                turn = (
                    rotation("y", 360.0 * k / count) @ translation(0.0, 0.0, 1.0) @ rotation("x", 90.0 * (k % 2) + 8.0)
                )
                links[k % 2].append(link.transformed(turn))
            parts = [
                Part(meshes.merge(links[0]), _metal(spec, 0.15)),
                Part(meshes.merge(links[1]), _gloss(spec.colour)),
            ]
    return [replace(part, mesh=part.mesh.transformed(tilt)) for part in parts]


def _pendant(spec: ProductSpec) -> list[Part]:
    a, b, c, *_ = spec.proportions
    image = textures.panel(spec.brand, spec.pattern, spec.colour, spec.accent)
    angles = np.linspace(0.0, 2.0 * np.pi, 120, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    outline: Array
    match spec.style:
        case "medallion":
            outline = circle * 0.62
        case "heart":
            x = 16.0 * np.sin(-angles) ** 3
            y = 13.0 * np.cos(angles) - 5.0 * np.cos(2 * angles) - 2.0 * np.cos(3 * angles) - np.cos(4 * angles)
            outline = np.stack([x, y + 2.0], axis=1) * 0.042
        case "star":
            points = 5 + int(3 * a)
            corner = np.linspace(0.0, 2.0 * np.pi, 2 * points, endpoint=False) + np.pi / 2.0
            reach = np.where(np.arange(2 * points) % 2 == 0, 0.74, 0.36 + 0.08 * b)
            outline = np.stack([np.cos(corner), np.sin(corner)], axis=1) * reach[:, None]
        case "hexagon":
            corner = np.linspace(0.0, 2.0 * np.pi, 6, endpoint=False) + np.pi / 2.0
            outline = np.stack([np.cos(corner), np.sin(corner)], axis=1) * 0.66
        case _:
            outline = circle * 0.5
    if spec.style == "drop":
        profile = meshes.smooth_profile(
            np.array([[0.0, -0.7], [0.42, -0.5], [0.52 + 0.1 * b, -0.12], [0.28, 0.35], [0.07, 0.66], [0.0, 0.7]])
        )
        parts = [
            Part(meshes.lathe(profile, 10).flat() if a < 0.5 else meshes.lathe(profile), _gloss(spec.colour, 0.06))
        ]
        collar = meshes.lathe(np.array([[0.2, 0.44], [0.22, 0.5], [0.12, 0.68], [0.05, 0.76]]), 40)
        girdle = _hoop(0.54 + 0.1 * b, meshes.ellipse(0.07, 0.07, 10)).transformed(translation(0.0, -0.14, 0.0))
        parts += [Part(collar, _metal(spec)), Part(girdle, _metal(spec))]
        top = 0.74
    elif spec.style == "cube":
        side = 0.8
        block = meshes.rounded_box(side, side, side, 0.06)
        turn = rotation("y", 20.0)
        parts = [Part(block.transformed(turn), _print(image, 0.12))]
        cap = meshes.rounded_box(side * 1.06, 0.12, side * 1.06, 0.05)
        parts += [Part(cap.transformed(turn @ translation(0.0, y * side / 2.0, 0.0)), _metal(spec)) for y in (1, -1)]
        top = side / 2.0 + 0.06
    else:
        plate = meshes.extrude(outline, 0.2, 0.05)
        face = meshes.extrude(outline * 0.84, 0.26, 0.03)
        parts = [Part(plate, _metal(spec)), Part(face, _print(image, 0.14))]
        top = float(outline[np.abs(outline[:, 0]) < 0.15, 1].max())
    bail = meshes.sweep(_circle(0.12, 40), meshes.ellipse(0.06, 0.06, 10), closed=True)
    parts.append(Part(bail.transformed(translation(0.0, top + 0.1, 0.0)), _metal(spec)))
    # The necklace rises as a drop-shaped loop of beads.
    count = 44
    t = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    x = (0.36 + 0.12 * c) * np.sin(t) * (1.0 - np.cos(t)) / 1.3
    y = top + 0.16 + 0.33 * (1.0 - np.cos(t))
    bead = meshes.sphere(0.042, 10)
    beads = [bead.transformed(translation(float(px), float(py), 0.0)) for px, py in zip(x, y, strict=True)]
    parts.append(Part(meshes.merge(beads), _metal(spec)))
    return parts


def _watch(spec: ProductSpec) -> list[Part]:
    a, b, c, d, e, _ = spec.proportions
    # The strap stands as an upright loop in the yz plane; the case sits on its front, leaning back.
    angles = np.linspace(0.0, 2.0 * np.pi, 120, endpoint=False)
    loop = np.stack([np.zeros(120), np.sin(angles) * 1.0, np.cos(angles) * 0.82], axis=1)
    width = 0.5 + 0.14 * a
    leather = textures.pattern(spec.pattern, spec.accent, spec.colour, 64, 1024, 3) if b < 0.5 else None
    strap = meshes.sweep(loop, meshes.rounded_rectangle(width, 0.09, 0.04), closed=True)
    strap_points = strap.positions.max(axis=0)
    if strap_points[0] < width * 0.4:  # the section's axes followed the loop: lay the strap's width along x
        strap = meshes.sweep(loop, meshes.rounded_rectangle(0.09, width, 0.04), closed=True)
    parts = [Part(strap, _print(leather, 0.5) if leather is not None else Material(spec.accent, 0.0, 0.45))]

    marks = (12, 4, 8, 6)[int(4 * c)]
    light = sum(spec.colour) > 1.5
    ink: Colour = (0.06, 0.06, 0.08) if light else (0.96, 0.95, 0.92)
    image = textures.dial(spec.colour, ink, marks, 12.0 * d)
    front = translation(0.0, 0.0, 0.82)
    radius = 0.60 + 0.1 * e
    if spec.style == "square":
        case = meshes.extrude(meshes.rounded_rectangle(radius * 1.75, radius * 1.95, 0.2), 0.26, 0.06)
        face = meshes.extrude(meshes.rounded_rectangle(radius * 1.45, radius * 1.65, 0.14), 0.02, 0.005)
        parts.append(Part(case.transformed(front), _metal(spec, 0.22)))
        parts.append(Part(face.transformed(front @ translation(0.0, 0.0, 0.135)), _print(image, 0.2)))
    else:
        lip = 0.2 if spec.style == "diver" else 0.1
        profile = np.array(
            [[0.0, -0.13], [radius * 0.92, -0.13], [radius, -0.06], [radius, 0.08], [radius * 0.95, 0.16],
             [radius * (1.0 - lip), 0.16], [radius * (1.0 - lip), 0.10], [0.0, 0.10]]
        )  # fmt: skip
        lie = front @ rotation("x", 90.0)
        parts.append(Part(meshes.lathe(profile, 80).transformed(lie), _metal(spec, 0.2)))
        face = meshes.disc(radius * (1.0 - lip) * 0.99)
        parts.append(Part(face.transformed(front @ translation(0.0, 0.0, 0.105)), _print(image, 0.2)))
        if spec.style == "diver":
            bezel_image = textures.pattern("stripes", spec.accent, (0.95, 0.95, 0.95), 1024, 32, 24)
            bezel = meshes.lathe(np.array([[radius * 0.97, 0.15], [radius * 0.95, 0.185], [radius * 0.82, 0.175]]), 80)
            parts.append(Part(bezel.transformed(lie), _print(bezel_image, 0.2)))
    crown = meshes.lathe(
        np.array([[0.0, -0.06], [0.08, -0.06], [0.09, 0.0], [0.09, 0.05], [0.07, 0.07], [0.0, 0.07]]), 20
    )
    parts.append(
        Part(crown.transformed(front @ translation(radius + 0.04, 0.0, 0.0) @ rotation("z", -90.0)), _metal(spec))
    )
    lean = rotation("x", -16.0)
    return [replace(part, mesh=part.mesh.transformed(lean)) for part in parts]


def _bottle(spec: ProductSpec) -> list[Part]:
    a, b, c, *_ = spec.proportions
    image = textures.label(spec.brand, spec.pattern, spec.accent, spec.colour, 1024, 384)
    match spec.style:
        case "perfume":
            radius, height, neck, shoulder = 0.62 + 0.16 * a, 0.95 + 0.25 * b, 0.16, 0.08
        case "wine":
            radius, height, neck, shoulder = 0.40 + 0.06 * a, 1.35 + 0.25 * b, 0.14, 0.55
        case "lotion":
            radius, height, neck, shoulder = 0.46 + 0.1 * a, 1.3 + 0.2 * b, 0.2, 0.16
        case "flask":
            radius, height, neck, shoulder = 0.72 + 0.12 * a, 0.62 + 0.15 * b, 0.15, 0.5
        case _:
            radius, height, neck, shoulder = 0.6, 0.8 + 0.2 * b, 0.24, 0.4 + 0.1 * a
    curve = np.linspace(0.0, np.pi, 14)
    neck_rise = neck + (radius - neck) * (1.0 + np.cos(curve)) / 2.0
    top = height + shoulder
    profile = np.concatenate(
        [
            [[0.0, 0.0], [radius - 0.06, 0.0], [radius - 0.015, 0.02], [radius, 0.07]],
            np.stack([neck_rise, height + shoulder * curve / np.pi], axis=1),
            [[neck, top + 0.16], [0.0, top + 0.16]],
        ]
    )
    glass = _gloss(spec.colour, 0.08)
    low, high = 0.2 * height, (0.72 + 0.12 * c) * height
    wrap = meshes.lathe(np.array([[radius + 0.008, low], [radius + 0.008, high]]), 80)
    parts = [Part(meshes.lathe(profile, 80), glass), Part(wrap, _print(image, 0.45))]
    cap_low, cap_radius = top + 0.06, neck * 1.5
    if spec.style == "perfume":
        cap = meshes.rounded_box(0.5, 0.42, 0.5, 0.05).transformed(translation(0.0, cap_low + 0.2, 0.0))
    elif spec.style == "carafe":
        cap = meshes.sphere(neck * 1.35, 36).transformed(translation(0.0, cap_low + neck * 1.2, 0.0))
    else:
        height = 0.3 + 0.14 * c
        cap = meshes.lathe(
            np.array(
                [[0.0, 0.0], [cap_radius, 0.0], [cap_radius, height - 0.04], [cap_radius - 0.04, height], [0.0, height]]
            )
            + np.array([0.0, cap_low]),
            48,
        )
    parts.append(Part(cap, _metal(spec, 0.22)))
    if spec.style == "lotion":
        nozzle_path = np.array(
            [
                [0.0, cap_low + 0.3, 0.0],
                [0.0, cap_low + 0.55, 0.0],
                [0.05, cap_low + 0.6, 0.0],
                [0.42, cap_low + 0.58, 0.0],
            ]
        )
        parts.append(Part(meshes.sweep(nozzle_path, meshes.ellipse(0.13, 0.13, 14)), _metal(spec, 0.22)))
    return parts


def _box(spec: ProductSpec) -> list[Part]:
    a, b, c, *_ = spec.proportions
    image = textures.panel(spec.brand, spec.pattern, spec.colour, spec.accent)
    match spec.style:
        case "gift":
            width, height, depth = 1.1, 0.75 + 0.2 * a, 1.1
        case "carton":
            width, height, depth = 0.95 + 0.2 * a, 1.3 + 0.2 * b, 0.55 + 0.15 * c
        case "tower":
            width, height, depth = 0.72, 1.6 + 0.2 * a, 0.72
        case _:
            width, height, depth = 1.5, 0.5 + 0.12 * a, 0.95 + 0.2 * b
    body = meshes.rounded_box(width, height, depth, 0.05)
    parts = [Part(body, _print(image, 0.4))]
    if spec.style == "gift":
        bands = [
            meshes.rounded_box(0.17, height + 0.03, depth + 0.03, 0.015),
            meshes.rounded_box(width + 0.03, height + 0.03, 0.17, 0.015),
        ]
        parts.append(Part(meshes.merge(bands), _gloss(spec.accent, 0.3)))
        angles = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
        petal = np.stack(
            [0.26 - 0.26 * np.cos(angles), 0.17 * np.sin(angles) + 0.13 * np.sin(angles / 2.0), np.zeros(40)], axis=1
        )
        bow = meshes.sweep(petal, meshes.rounded_rectangle(0.16, 0.03, 0.01, 3), closed=True)
        bows = [
            bow.transformed(translation(0.0, height / 2.0, 0.0) @ rotation("y", turn))
            for turn in (25.0, 205.0, 115.0, 295.0)
        ]
        parts.append(
            Part(
                meshes.merge([*bows, meshes.sphere(0.1, 18).transformed(translation(0.0, height / 2.0 + 0.08, 0.0))]),
                _gloss(spec.accent, 0.3),
            )
        )
    elif spec.style in ("carton", "tower"):
        lid = meshes.rounded_box(width + 0.05, height * 0.22, depth + 0.05, 0.04)
        parts.append(Part(lid.transformed(translation(0.0, height * 0.42, 0.0)), _gloss(spec.accent, 0.35)))
    else:
        edge = meshes.rounded_box(width + 0.04, 0.06, depth + 0.04, 0.02)
        clasp = meshes.rounded_box(0.3, 0.22, 0.08, 0.03)
        parts.append(Part(edge.transformed(translation(0.0, height * 0.12, 0.0)), _metal(spec)))
        parts.append(Part(clasp.transformed(translation(0.0, height * 0.12, depth / 2.0 + 0.03)), _metal(spec)))
    return [replace(part, mesh=part.mesh.transformed(rotation("y", -24.0))) for part in parts]


def _mug(spec: ProductSpec) -> list[Part]:
    a, b, c, d, *_ = spec.proportions
    height = 1.15 + 0.3 * a
    low, middle, high = {
        "straight": (0.52, 0.52, 0.52),
        "tapered": (0.40, 0.49, 0.60),
        "barrel": (0.46, 0.60, 0.50),
        "enamel": (0.56, 0.56, 0.58),
    }[spec.style]
    t = np.linspace(0.0, 1.0, 20)
    wall = low * (1 - t) * (1 - 2 * t) + 4 * middle * t * (1 - t) + high * t * (2 * t - 1)
    outer = np.stack([wall, 0.06 + t * (height - 0.06)], axis=1)
    foot = np.array([[0.0, 0.0], [low - 0.06, 0.0], [low - 0.02, 0.02]])
    inner = np.stack([wall[::-1] - 0.07, 0.1 + t[::-1] * (height - 0.1)], axis=1)
    glaze = _gloss(spec.colour, 0.15)
    lip = np.array([[wall[-1] - 0.035, height + 0.025]])
    parts = [Part(meshes.lathe(np.concatenate([foot, outer, lip, inner, [[0.0, 0.1]]]), 80), glaze)]
    span = outer[2:17] + np.array([0.006, 0.0])
    image = textures.label(spec.brand, spec.pattern, spec.colour, spec.accent, 1024, 384)
    parts.append(Part(meshes.lathe(span, 80), _print(image, 0.2)))
    if spec.style == "enamel":
        rim = _hoop(wall[-1] - 0.03, meshes.ellipse(0.1, 0.06, 12)).transformed(translation(0.0, height, 0.0))
        parts.append(Part(rim, _metal(spec)))
    reach, grip = 0.32 + 0.12 * b, 0.3 + 0.08 * c
    turn = np.linspace(-np.pi / 2.0, np.pi / 2.0, 24)
    power = 1.0 if d < 0.5 else 0.55  # round or squarish
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power * reach + np.interp(0.5, t, wall) - 0.04
    y = height * 0.52 + np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power * grip
    handle = meshes.sweep(np.stack([x, y, np.zeros(24)], axis=1), meshes.ellipse(0.13, 0.17, 16))
    parts.append(Part(handle, _gloss(spec.accent, 0.15)))
    return [replace(part, mesh=part.mesh.transformed(rotation("y", 12.0))) for part in parts]


_BUILDERS: dict[str, Callable[[ProductSpec], list[Part]]] = {
    "ring": _ring,
    "bracelet": _bracelet,
    "pendant": _pendant,
    "watch": _watch,
    "bottle": _bottle,
    "box": _box,
    "mug": _mug,
}
