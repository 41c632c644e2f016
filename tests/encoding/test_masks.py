from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pvtt.encoding.masks import (
    CELL_FRACTION,
    MaskShape,
    conditioning_mask,
    fill_hole,
    latent_region,
    pack_mask,
    product_mask,
    subject_scale,
    with_shape_gap,
)
from pvtt.media.arrays import Region
from pvtt.params.encode import MaskParams


def disc(radius: int = 12, num_frames: int = 5, height: int = 64, width: int = 96) -> Region:
    rows, columns = np.ogrid[:height, :width]
    return np.stack([(rows - 30) ** 2 + (columns - 40 - i) ** 2 < radius**2 for i in range(num_frames)])


def test_the_first_latent_frame_sees_one_frame_and_the_others_their_own_four() -> None:
    mask = np.zeros((9, 16, 16), bool)
    mask[0, 0, 0] = True
    mask[6, 15, 15] = True
    packed = pack_mask(mask)
    assert packed.shape == (4, 3, 2, 2)
    assert packed[:, 0, 0, 0].tolist() == [1, 1, 1, 1]
    assert packed[:, 1].sum() == 0  # frames 1 to 4
    assert packed[:, 2, 1, 1].tolist() == [0, 1, 0, 0]


def test_packing_equals_wans_image_to_video() -> None:
    # WanImageToVideoPipeline.prepare_latents: the first frame four times, then reshaped by four.
    mask = np.random.default_rng(0).random((9, 3, 4)) < 0.5
    wan = torch.from_numpy(mask)[None, None].float()
    wan = torch.cat([wan[:, :, :1].repeat_interleave(4, dim=2), wan[:, :, 1:]], dim=2)
    wan = wan.view(1, -1, 4, 3, 4).transpose(1, 2)[0]
    assert torch.equal(pack_mask(mask.repeat(8, axis=1).repeat(8, axis=2)), wan)


def test_the_latent_region_is_the_products_share() -> None:
    coverage = np.zeros((5, 16, 16), np.uint8)
    coverage[0, :8, :8] = 255
    coverage[1, :4, :8] = 255
    region = latent_region(coverage)
    assert region.shape == (1, 2, 2, 2)
    assert region[0, :, 0, 0].tolist() == [1.0, 0.125]
    assert region[0, :, 1, 1].tolist() == [0.0, 0.0]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40)
def test_every_drawn_mask_covers_the_dilated_product(seed: int) -> None:
    params = MaskParams(shape_fraction=1.0)
    product = disc()
    shape = MaskShape.draw(params, np.random.default_rng(seed))
    mask = conditioning_mask(product, shape, params.dilation)
    assert mask.dtype == bool
    assert mask.shape == product.shape
    assert (mask | ~product).all()
    assert (mask & ~product).any()


def test_a_box_is_a_box_and_follows_the_product() -> None:
    mask = conditioning_mask(disc(), MaskShape(kind="box"), dilation=0.0)
    for index, frame in enumerate(mask):
        columns = np.flatnonzero(frame.any(axis=0))
        assert frame.sum() == frame.any(axis=1).sum() * frame.any(axis=0).sum()
        assert columns[0] == 29 + index


@pytest.mark.parametrize("radius", [8, 20])
def test_a_grids_cell_grows_with_the_product(radius: int) -> None:
    product = disc(radius)
    mask = conditioning_mask(product, MaskShape(kind="grid"), dilation=0.0)
    cell = round(CELL_FRACTION * subject_scale(product))
    whole = mask[:, : 64 // cell * cell, : 96 // cell * cell]
    cells = whole.reshape(5, 64 // cell, cell, 96 // cell, cell)
    assert (cells.all(axis=(2, 4)) == cells.any(axis=(2, 4))).all()
    assert abs(cell - 0.44 * radius) < 1


def test_a_shape_gap_is_another_outline_in_the_products_place() -> None:
    product = disc()
    product[2] = False
    outline = np.zeros((40, 200), bool)
    outline[10:14, 20:180] = True  # a bar, 160 by 4
    hole = with_shape_gap(product, outline)
    assert (hole | ~product).all()
    assert not hole[2].any()
    added = hole & ~product
    for index in (0, 1, 3, 4):
        rows, columns = np.flatnonzero(added[index].any(1)), np.flatnonzero(added[index].any(0))
        assert 27 < rows.min() < rows.max() < 34  # a thin bar through the disc's middle at row 30 ...
        assert columns.min() == 0  # ... as long as the frame: 23 · 23 pixels at 160 : 4
        assert hole[index].sum() < 2 * product[index].sum()
    square = np.ones((10, 10), bool)
    assert with_shape_gap(product, square)[1].sum() == pytest.approx(23 * 23, rel=0.1)  # the box's area


def test_frames_without_product_stay_empty() -> None:
    product = disc()
    product[2] = False
    for shape in (MaskShape("outline"), MaskShape("grid"), MaskShape("box")):
        mask = conditioning_mask(product, shape, dilation=0.05)
        assert not mask[2].any()
        assert mask[1].any()


def test_shapes_are_drawn_as_often_as_params_say() -> None:
    params = MaskParams(box_fraction=0.3, grid_fraction=0.5, shape_fraction=0.5)
    random = np.random.default_rng(0)
    drawn = [MaskShape.draw(params, random) for _ in range(2000)]
    kinds = [shape.kind for shape in drawn]
    assert kinds.count("box") / 2000 == pytest.approx(0.3, abs=0.04)
    assert kinds.count("grid") / 2000 == pytest.approx(0.5, abs=0.04)
    assert np.mean([bool(shape.shapes) for shape in drawn if shape.kind != "box"]) == pytest.approx(0.5, abs=0.05)


def test_evaluation_uses_the_kind_that_training_sees_most() -> None:
    assert MaskShape.evaluation(MaskParams()).kind == "grid"
    assert MaskShape.evaluation(MaskParams(box_fraction=1.0, grid_fraction=0.0)).kind == "box"
    assert MaskShape.evaluation(MaskParams(box_fraction=0.1, grid_fraction=0.1)).kind == "outline"


def test_the_hole_is_filled_and_the_rest_is_kept() -> None:
    pixels = torch.rand(1, 3, 1, 4, 4)
    mask = torch.zeros(1, 1, 1, 4, 4)
    mask[..., :2] = 1
    filled = fill_hole(pixels, mask, fill=-0.25)
    assert (filled[..., :2] == -0.25).all()
    assert torch.equal(filled[..., 2:], pixels[..., 2:])


def test_a_pixel_with_a_trace_of_product_counts() -> None:
    assert product_mask(np.array([[[0, 12, 13, 255]]], np.uint8)).tolist() == [[[False, False, True, True]]]
