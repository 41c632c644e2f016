"""Triangle meshes from parameters: lathe, sweep, rounded box, extrusion, facets.

Right-handed, y up, counter-clockwise front faces. UVs follow glTF: (0, 0) is the top-left corner of the texture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]
Triangles = npt.NDArray[np.uint32]

_CUBE_SIDES = (
    ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    ((0, 0, -1), (-1, 0, 0), (0, 1, 0)),
    ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
    ((0, 1, 0), (1, 0, 0), (0, 0, -1)),
    ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
)


@dataclass(frozen=True)
class Mesh:
    """positions (N, 3), normals (N, 3) of unit length, uvs (N, 2), triangles (M, 3)."""

    positions: Floats
    normals: Floats
    uvs: Floats
    triangles: Triangles

    def transformed(self, matrix: Array) -> Mesh:
        """The mesh under a (4, 4) matrix without shear or mirroring; uneven scales keep right normals."""
        linear = matrix[:3, :3]
        positions = self.positions @ linear.T + matrix[:3, 3]
        normals = self.normals @ np.linalg.inv(linear)
        return Mesh(_f32(positions), _f32(_unit(normals)), self.uvs, self.triangles)

    def flat(self) -> Mesh:
        """The same surface with one normal a triangle, as cut stones have."""
        corners = self.positions[self.triangles].astype(np.float64)  # (M, 3, 3)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        whole = np.linalg.norm(cross, axis=1) > 1e-12  # at the poles triangles shrink to lines
        normals = np.repeat(_unit(cross[whole]), 3, axis=0)
        uvs = self.uvs[self.triangles[whole].reshape(-1)]
        triangles = np.arange(3 * int(whole.sum()), dtype=np.uint32).reshape(-1, 3)
        return Mesh(_f32(corners[whole].reshape(-1, 3)), _f32(normals), uvs, triangles)


def translation(x: float, y: float, z: float) -> Array:
    """A (4, 4) translation."""
    matrix = np.eye(4)
    matrix[:3, 3] = (x, y, z)
    return matrix


def scaling(x: float, y: float, z: float) -> Array:
    """A (4, 4) scale along the axes."""
    return np.diag([x, y, z, 1.0])


def rotation(axis: str, degrees: float) -> Array:
    """A (4, 4) right-handed rotation about "x", "y" or "z"."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(4)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several."""
    offsets = np.cumsum([0] + [len(mesh.positions) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
        np.concatenate([mesh.triangles + np.uint32(offset) for mesh, offset in zip(meshes, offsets, strict=True)]),
    )


def lathe(profile: Array, segments: int = 72, closed: bool = False, crease_deg: float = 40.0) -> Mesh:
    """Turn a profile about the y axis.

    Args:
        profile: (P, 2) radius ≥ 0 and height. The surface faces to the right of the direction of travel seen with
            the radius to the right and the height up: bottom to top makes an outer wall.
        segments: Steps around the axis.
        closed: Whether the last point joins the first, as for the section of a ring.
        crease_deg: Sharper corners of the profile get an edge instead of a smooth normal.

    Returns:
        u runs once around the axis, v runs down from the profile's end to its start.
    """
    points = np.concatenate([profile, profile[:1]]) if closed else np.asarray(profile, dtype=np.float64)
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    points = points[np.concatenate([[True], lengths > 1e-9])]
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    tangents = steps / lengths[:, None]
    outward = np.stack([tangents[:, 1], -tangents[:, 0]], axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()

    rows: list[tuple[float, float, float, float, float]] = []  # radius, height, normal, position along the profile
    bands: list[tuple[int, int]] = []
    cosine = np.cos(np.radians(crease_deg))
    count = len(steps)
    for k in range(count):
        before = outward[k - 1] if k > 0 or closed else outward[k]
        after = outward[(k + 1) % count] if k + 1 < count or closed else outward[k]
        start = outward[k] + before if float(outward[k] @ before) > cosine else outward[k]
        end = outward[k] + after if float(outward[k] @ after) > cosine else outward[k]
        bands.append((len(rows), len(rows) + 1))
        rows.append((*points[k], *_unit(start[None])[0], along[k]))
        rows.append((*points[k + 1], *_unit(end[None])[0], along[k + 1]))

    table = np.array(rows)
    angles = np.linspace(0.0, 2.0 * np.pi, segments + 1)
    # u grows to the right for a viewer outside, who sees the angle grow leftwards with x = cos, z = -sin.
    cos, sin = np.cos(angles), -np.sin(angles)
    radius, height = table[:, None, 0], np.repeat(table[:, None, 1], segments + 1, axis=1)
    positions = np.stack([radius * cos, height, radius * sin], axis=-1).reshape(-1, 3)
    normal_y = np.repeat(table[:, None, 3], segments + 1, axis=1)
    normals = np.stack([table[:, None, 2] * cos, normal_y, table[:, None, 2] * sin], axis=-1).reshape(-1, 3)
    uvs = np.stack(np.broadcast_arrays(np.linspace(0.0, 1.0, segments + 1)[None], 1.0 - table[:, None, 4]), axis=-1)
    triangles = [_band(low * (segments + 1), high * (segments + 1), segments) for low, high in bands]
    return _mesh(positions, normals, uvs.reshape(-1, 2), np.concatenate(triangles))


def sweep(path: Array, section: Array, closed: bool = False, twist_turns: float = 0.0) -> Mesh:
    """Draw a closed section along a path, turning as little as possible (parallel transport).

    Args:
        path: (K, 3) points.
        section: (S, 2) counter-clockwise outline of the cross-section, without the repeated first point.
        closed: Whether the path's end joins its start.
        twist_turns: Turns of the section from start to end; whole numbers where `closed`.

    Returns:
        u runs around the section, v along the path. Open ends are capped.
    """
    points = np.concatenate([path, path[:1]]) if closed else np.asarray(path, dtype=np.float64)
    count = len(points)
    tangents = np.gradient(points, axis=0)
    if closed:
        tangents[0] = tangents[-1] = points[1] - points[-2]
    tangents = _unit(tangents)
    side = np.cross(tangents[0], [0.0, 1.0, 0.0])
    if float(np.linalg.norm(side)) < 1e-3:
        side = np.cross(tangents[0], [0.0, 0.0, 1.0])
    sides = [_unit(side[None])[0]]
    for tangent in tangents[1:]:
        side = sides[-1] - tangent * float(sides[-1] @ tangent)
        sides.append(_unit(side[None])[0])
    u_axes = np.array(sides)
    v_axes = np.cross(tangents, u_axes)
    # A closed path brings the section back turned: spread that rotation over the loop.
    leftover = np.arctan2(float(u_axes[-1] @ v_axes[0]), float(u_axes[-1] @ u_axes[0])) if closed else 0.0
    angles = np.linspace(0.0, 1.0, count) * (2.0 * np.pi * twist_turns - leftover)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    u_axes, v_axes = u_axes * cos + v_axes * sin, v_axes * cos - u_axes * sin

    outline = np.concatenate([section, section[:1]])
    around = np.roll(section, -1, axis=0) - np.roll(section, 1, axis=0)
    section_normals = _unit(np.stack([around[:, 1], -around[:, 0]], axis=1))
    section_normals = np.concatenate([section_normals, section_normals[:1]])
    positions = points[:, None] + outline[None, :, :1] * u_axes[:, None] + outline[None, :, 1:] * v_axes[:, None]
    normals = section_normals[None, :, :1] * u_axes[:, None] + section_normals[None, :, 1:] * v_axes[:, None]
    width = len(outline)
    u = np.linspace(0.0, 1.0, width)
    v = np.linspace(0.0, 1.0, count)
    uvs = np.stack(np.broadcast_arrays(u[None], v[:, None]), axis=-1)
    bands = [_band(k * width, (k + 1) * width, width - 1) for k in range(count - 1)]
    tube = _mesh(positions.reshape(-1, 3), normals.reshape(-1, 3), uvs.reshape(-1, 2), np.concatenate(bands))
    tube = _facing(tube)
    if closed:
        return tube
    caps = [_fan(positions[0, :-1], -tangents[0]), _fan(positions[-1, :-1], tangents[-1])]
    return merge([tube, *caps])


def extrude(outline: Array, depth: float, bevel: float) -> Mesh:
    """A plate: an outline that is star-shaped about the origin, thick along z, with bevelled edges.

    Args:
        outline: (S, 2) counter-clockwise points in the xy plane.
        depth: Thickness, centred on z = 0.
        bevel: Width of the bevel, less than half the depth.

    Returns:
        Planar UVs over the outline's bounding box on both faces.
    """
    inner = outline * (1.0 - bevel / np.linalg.norm(outline, axis=1, keepdims=True))
    half = depth / 2.0
    front = np.column_stack([inner, np.full(len(inner), half)])
    front_edge = np.column_stack([outline, np.full(len(inner), half - bevel)])
    back_edge = np.column_stack([outline, np.full(len(inner), bevel - half)])
    back = np.column_stack([inner, np.full(len(inner), -half)])
    walls = [_strip(a, b) for a, b in ((back, back_edge), (back_edge, front_edge), (front_edge, front))]
    mesh = merge([_fan(front, np.array([0.0, 0.0, 1.0])), _fan(back, np.array([0.0, 0.0, -1.0])), *walls])
    low, high = outline.min(axis=0), outline.max(axis=0)
    uvs = (mesh.positions[:, :2] - low) / (high - low)
    return Mesh(mesh.positions, mesh.normals, _f32(np.column_stack([uvs[:, 0], 1.0 - uvs[:, 1]])), mesh.triangles)


def disc(radius: float, segments: int = 64) -> Mesh:
    """A flat disc that faces +z, with planar UVs."""
    angles = np.linspace(0.0, 2.0 * np.pi, segments, endpoint=False)
    rim = np.stack([np.cos(angles), np.sin(angles), np.zeros(segments)], axis=1) * radius
    mesh = _fan(rim, np.array([0.0, 0.0, 1.0]))
    uvs = 0.5 + mesh.positions[:, :2] * [0.5, -0.5] / radius
    return Mesh(mesh.positions, mesh.normals, _f32(uvs), mesh.triangles)


def rounded_box(width: float, height: float, depth: float, radius: float, steps: int = 10) -> Mesh:
    """A box with rounded edges, centred on the origin; each side shows the whole texture."""
    half = np.array([width, height, depth]) / 2.0
    inner = half - radius
    grid = np.linspace(-1.0, 1.0, steps)
    # Denser towards the edges, where the rounding is.
    grid = np.sign(grid) * (1.0 - (1.0 - np.abs(grid)) ** 2)
    a, b = np.meshgrid(grid, -grid)
    uvs = np.stack([(a + 1.0) / 2.0, (1.0 - b) / 2.0], axis=-1).reshape(-1, 2)
    sides = []
    for normal, right, up in _CUBE_SIDES:  # seen from outside, u runs along `right` and v against `up`
        cube = np.array(normal) + a[..., None] * np.array(right) + b[..., None] * np.array(up)
        surface = cube.reshape(-1, 3) * half
        core = np.clip(surface, -inner, inner)
        normals = _unit(surface - core)
        bands = [_band((k + 1) * steps, k * steps, steps - 1) for k in range(steps - 1)]
        sides.append(_mesh(core + normals * radius, normals, uvs, np.concatenate(bands)))
    return merge(sides)


def sphere(radius: float, segments: int = 24) -> Mesh:
    """A ball about the origin."""
    angles = np.linspace(-np.pi / 2.0, np.pi / 2.0, segments // 2 + 1)
    profile = np.stack([np.cos(angles).clip(0.0), np.sin(angles)], axis=1) * radius
    return lathe(profile, segments)


def gem(radius: float, sides: int, height: float = 0.75) -> Mesh:
    """A cut stone: table, crown, girdle and pavilion in flat facets; the table faces +y."""
    profile = np.array([[0.0, -height], [1.0, -0.06], [1.0, 0.06], [0.78, 0.28], [0.55, 0.36], [0.0, 0.36]]) * radius
    return lathe(profile, sides).flat()


def ellipse(width: float, height: float, count: int = 20) -> Array:
    """(count, 2) counter-clockwise points of an ellipse with these diameters."""
    angles = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angles) * width, np.sin(angles) * height], axis=1) / 2.0


def rounded_rectangle(width: float, height: float, radius: float, corner_steps: int = 5) -> Array:
    """(4 × corner_steps, 2) counter-clockwise points."""
    angles = np.linspace(0.0, np.pi / 2.0, corner_steps)
    corners = []
    for quarter, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        centre = np.array([sx * (width / 2.0 - radius), sy * (height / 2.0 - radius)])
        turn = angles + quarter * np.pi / 2.0
        corners.append(centre + np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius)
    return np.concatenate(corners)


def smooth_profile(points: Array, steps: int = 8) -> Array:
    """Catmull-Rom curve through (P, 2) profile points; radii stay ≥ 0."""
    padded = np.concatenate([2.0 * points[:1] - points[1:2], points, 2.0 * points[-1:] - points[-2:-1]])
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    curve = np.concatenate([*pieces, points[-1:]])
    curve[:, 0] = curve[:, 0].clip(0.0)
    return curve


def _fan(rim: Array, normal: Array) -> Mesh:
    positions = np.concatenate([rim.mean(axis=0, keepdims=True), rim])
    count = len(rim)
    k = np.arange(count)
    triangles = np.stack([np.zeros(count, dtype=int), 1 + k, 1 + (k + 1) % count], axis=1)
    normals = np.repeat(normal[None], count + 1, axis=0)
    return _facing(_mesh(positions, normals, np.full((count + 1, 2), 0.5), triangles))


def _strip(low: Array, high: Array) -> Mesh:
    """A closed band between two rims of equal length, with its own smooth normals around."""
    a, b = np.concatenate([low, low[:1]]), np.concatenate([high, high[:1]])
    around = np.roll(low, -1, axis=0) - np.roll(low, 1, axis=0)
    around = np.concatenate([around, around[:1]])
    normals = _unit(np.cross(around, b - a))
    triangles = _band(0, len(a), len(a) - 1)
    positions = np.concatenate([a, b])
    return _facing(_mesh(positions, np.concatenate([normals, normals]), np.zeros((len(positions), 2)), triangles))


def _band(low: int, high: int, segments: int) -> npt.NDArray[np.int64]:
    """Triangles between two rows of `segments` + 1 vertices, front faces up-and-right-handed."""
    k = np.arange(segments)
    a, b, c, d = low + k, low + k + 1, high + k, high + k + 1
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])


def _facing(mesh: Mesh) -> Mesh:
    """Wind every triangle so that it faces along its normals."""
    a, b, c = (mesh.positions[mesh.triangles[:, k]] for k in range(3))
    wrong = np.einsum("ij,ij->i", np.cross(b - a, c - a), mesh.normals[mesh.triangles].sum(axis=1)) < 0
    triangles = mesh.triangles.copy()
    triangles[wrong] = triangles[wrong][:, ::-1]
    return Mesh(mesh.positions, mesh.normals, mesh.uvs, triangles)


def _mesh(positions: Array, normals: Array, uvs: Array, triangles: npt.NDArray[np.int64]) -> Mesh:
    return Mesh(_f32(positions), _f32(normals), _f32(uvs), np.ascontiguousarray(triangles, dtype=np.uint32))


def _unit(vectors: npt.NDArray[np.floating]) -> Array:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float64)


def _f32(values: npt.NDArray[np.floating]) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)
