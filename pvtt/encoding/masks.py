"""The product's mask → the conditioning mask: where the model is to generate.

The conditioning mask must not draw the old product's outline, or the model learns to read the shape from it and fails
where another product is to stand. So it is a box, or rounded to a coarse grid, or has shapes stuck to its border
(DreamSwapV, arXiv:2508.14465), and always dilated. All masks are 1 where the model generates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pvtt.media.arrays import FrameRegion, MaskVideo, Region
from pvtt.models.vae import SPATIAL_FACTOR, TEMPORAL_FACTOR
from pvtt.params.encode import MaskParams

COVERED = 13  # of 255: a pixel with 5 % of the product belongs to it
# A grid's cell as a fraction of the product's size, so that the outline is equally coarse for every product: the grid's
# resolution over the frame is inversely proportional to the product's scale.
CELL_FRACTION = 0.25
MIN_CELL_FRACTION, MAX_CELL_FRACTION = 0.12, 0.4
MAX_SHAPES = 4
MIN_SHAPE_SIZE, MAX_SHAPE_SIZE = 0.1, 0.35  # half a shape's extent, as a fraction of the product's size


@dataclass(frozen=True)
class BorderShape:
    """A geometric shape stuck to the product's border, moving with the product.

    Args:
        kind: The form that is drawn.
        angle: Where its centre lies on the product's bounding ellipse, in radians.
        size: Half its extent, as a fraction of the product's size.
        aspect: Width over height.
        rotation: How far it is turned, in degrees.
    """

    kind: Literal["ellipse", "rectangle", "triangle"]
    angle: float
    size: float
    aspect: float
    rotation: float


@dataclass(frozen=True)
class MaskShape:
    """How one sample's conditioning mask is made from the product's mask.

    Args:
        kind: `outline` (dilated only), `grid` (rounded outwards to cells), or `box` (a frame's bounding box).
        cell_fraction: A cell's side as a fraction of the product's size.
        offset: The grid's shift, in cells, [0, 1).
        shapes: Stuck to the border before rounding.
    """

    kind: Literal["outline", "grid", "box"]
    cell_fraction: float = CELL_FRACTION
    offset: tuple[float, float] = (0.0, 0.0)
    shapes: tuple[BorderShape, ...] = ()

    @classmethod
    def evaluation(cls, params: MaskParams) -> Self:
        """The fixed shape of evaluation and inference: the kind that training sees most, without random parts."""
        outline = 1 - params.box_fraction - params.grid_fraction
        fractions = {"grid": params.grid_fraction, "box": params.box_fraction, "outline": outline}
        return cls(kind=max(fractions, key=lambda kind: fractions[kind]))  # type: ignore[arg-type]

    @classmethod
    def draw(cls, params: MaskParams, random: np.random.Generator) -> Self:
        """A shape of the training distribution."""
        chance = random.random()
        if chance < params.box_fraction:
            return cls(kind="box")
        shapes: tuple[BorderShape, ...] = ()
        if random.random() < params.shape_fraction:
            shapes = tuple(_draw_border_shape(random) for _ in range(random.integers(1, MAX_SHAPES + 1)))
        if chance < params.box_fraction + params.grid_fraction:
            fraction = float(random.uniform(MIN_CELL_FRACTION, MAX_CELL_FRACTION))
            offset = (float(random.random()), float(random.random()))
            return cls(kind="grid", cell_fraction=fraction, offset=offset, shapes=shapes)
        return cls(kind="outline", shapes=shapes)


def _draw_border_shape(random: np.random.Generator) -> BorderShape:
    kinds: tuple[Literal["ellipse", "rectangle", "triangle"], ...] = ("ellipse", "rectangle", "triangle")
    return BorderShape(
        kind=kinds[random.integers(len(kinds))],
        angle=float(random.uniform(-np.pi, np.pi)),
        size=float(random.uniform(MIN_SHAPE_SIZE, MAX_SHAPE_SIZE)),
        aspect=float(random.uniform(0.5, 2)),
        rotation=float(random.uniform(0, 180)),
    )


def product_mask(coverage: MaskVideo) -> Region:
    """Coverage of the product, uint8 of 255, → where it is, (F, H, W)."""
    return np.asarray(coverage >= COVERED)


def conditioning_mask(product: Region, shape: MaskShape, dilation: float) -> Region:
    """Make the conditioning mask.

    Args:
        product: Where the product is, (F, H, W).
        shape: Outline, box or grid, and what is stuck to the border.
        dilation: Radius by which the product is widened, as a fraction of the frame's short side.

    Returns:
        (F, H, W); it covers `product`, and a frame without product stays empty.
    """
    height, width = product.shape[1:]
    radius = int(np.ceil(dilation * min(height, width)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    scale = subject_scale(product)
    frames = []
    for frame in product:
        canvas = np.ascontiguousarray(frame, dtype=np.uint8)
        if canvas.any():
            canvas = np.asarray(cv2.dilate(canvas, kernel), dtype=np.uint8)
            for border_shape in shape.shapes:
                _stick(canvas, frame, border_shape, scale)
            if shape.kind == "box":
                canvas = _box(canvas)
            elif shape.kind == "grid":
                canvas = _round_to_grid(canvas, max(2, round(shape.cell_fraction * scale)), shape.offset)
        frames.append(canvas.astype(bool))
    return np.stack(frames)


def with_shape_gap(product: Region, outline: FrameRegion) -> Region:
    """The product's mask joined with another's outline in its place, as where a ring is to stand for a bottle.

    In a transfer the hole has the old product's shape and the new product another. The outline is scaled to the area
    of the product's bounding box and moves with its middle.

    Args:
        product: Where the product is, (F, H, W).
        outline: Where another product is, in a frame of any size, (H, W); it shows.

    Returns:
        (F, H, W); it covers `product`, and a frame without product stays empty.
    """
    top, bottom, left, right = _bounds(outline)
    shape = np.ascontiguousarray(outline[top:bottom, left:right], dtype=np.uint8)
    frames = []
    for frame in product:
        if not frame.any():
            frames.append(frame)
            continue
        top, bottom, left, right = _bounds(frame)
        scale = np.sqrt((bottom - top) * (right - left) / shape.size)
        middle = np.array([left + right, top + bottom]) / 2
        corner = middle - scale * np.array(shape.shape[::-1]) / 2
        move = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
        moved = cv2.warpAffine(shape, move, frame.shape[::-1], flags=cv2.INTER_NEAREST)
        frames.append(frame | (np.asarray(moved) > 0))
    return np.stack(frames)


def subject_scale(product: Region) -> float:
    """The product's size in pixels: the square root of its mean area over the frames that show it; 0 without any."""
    areas = product.sum(axis=(1, 2))
    return float(np.sqrt(areas[areas > 0].mean())) if areas.any() else 0.0


def _bounds(mask: npt.NDArray[np.uint8] | FrameRegion) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _box(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    top, bottom, left, right = _bounds(mask)
    filled = np.zeros_like(mask)
    filled[top:bottom, left:right] = 1
    return filled


def _round_to_grid(mask: npt.NDArray[np.uint8], cell: int, offset: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """Fill each cell that holds a pixel of the mask."""
    height, width = mask.shape
    top, left = int(offset[0] * cell), int(offset[1] * cell)
    padded = np.pad(mask, ((top, -(top + height) % cell), (left, -(left + width) % cell)))
    cells = padded.reshape(padded.shape[0] // cell, cell, padded.shape[1] // cell, cell).max(axis=(1, 3))
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)[top : top + height, left : left + width]


def _stick(canvas: npt.NDArray[np.uint8], product: FrameRegion, shape: BorderShape, scale: float) -> None:
    """Draw a border shape onto `canvas`, placed by this frame's product."""
    top, bottom, left, right = _bounds(product)
    centre = (
        (left + right) / 2 + (right - left) / 2 * np.cos(shape.angle),
        (top + bottom) / 2 + (bottom - top) / 2 * np.sin(shape.angle),
    )
    half_width = shape.size * scale * np.sqrt(shape.aspect)
    half_height = shape.size * scale / np.sqrt(shape.aspect)
    if shape.kind == "ellipse":
        axes = (max(1, round(half_width)), max(1, round(half_height)))
        cv2.ellipse(canvas, (round(centre[0]), round(centre[1])), axes, shape.rotation, 0, 360, 1, thickness=-1)
        return
    corners = cv2.boxPoints((centre, (2 * half_width, 2 * half_height), shape.rotation))
    cv2.fillPoly(canvas, [corners[: 3 if shape.kind == "triangle" else 4].round().astype(np.int32)], 1)


def pack_mask(mask: Region) -> Tensor:
    """Pack to latent time as Wan's I2V does: the first frame's mask four times, then each four frames' masks.

    A latent cell is 1 where any of its 8×8 pixels is.

    Args:
        mask: (F, H, W), F = 4n+1.

    Returns:
        (4, F', h, w), float32 of 0 and 1.
    """
    cells = _by_cell(torch.from_numpy(mask)).any(dim=-1)  # (F, h, w)
    frames = torch.cat([cells[:1].expand(TEMPORAL_FACTOR - 1, -1, -1), cells])
    return frames.unflatten(0, (-1, TEMPORAL_FACTOR)).transpose(0, 1).float()


def unpack_mask(mask: Region) -> Tensor:
    """Every pixel of a mask in latent space and time, as VACE reads it (diffusers' `WanVACEPipeline.prepare_masks`).

    Args:
        mask: (F, H, W), F = 4n+1.

    Returns:
        A latent's 8×8 pixels as channels, in rows, of the frame nearest to it, (64, F', h, w), float32 of 0 and 1.
    """
    pixels = _by_cell(torch.from_numpy(mask)).float().permute(3, 0, 1, 2)
    frames = (len(mask) + TEMPORAL_FACTOR - 1) // TEMPORAL_FACTOR
    return functional.interpolate(pixels[None], size=(frames, *pixels.shape[2:]), mode="nearest-exact")[0]


def latent_region(coverage: MaskVideo) -> Tensor:
    """The product's share of each latent cell's pixels, (F, H, W) uint8 of 255 → (1, F', h, w) in [0, 1]."""
    cells = _by_cell(torch.from_numpy(coverage)).float().mean(dim=-1) / 255
    return torch.cat([cells[:1], cells[1:].unflatten(0, (-1, TEMPORAL_FACTOR)).mean(dim=1)])[None]


def _by_cell(frames: Tensor) -> Tensor:
    """(F, H, W) → (F, h, w, 64)."""
    cells = frames.unflatten(1, (-1, SPATIAL_FACTOR)).unflatten(3, (-1, SPATIAL_FACTOR))
    return cells.transpose(2, 3).flatten(3)


def fill_hole(pixels: Tensor, mask: Tensor, fill: float) -> Tensor:
    """The masked video: `pixels` (B, 3, F, H, W) in [-1, 1] with `fill` where `mask` (B, 1, F, H, W) is 1."""
    return torch.where(mask.bool(), torch.full_like(pixels, fill), pixels)
