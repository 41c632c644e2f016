from __future__ import annotations

import numpy as np

from pvtt.generation.composite import FEATHER, composite


def test_outside_the_mask_every_bit_is_the_templates_and_the_edge_lies_inside() -> None:
    random = np.random.default_rng(0)
    template = random.integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    generated = random.integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    mask = np.zeros((2, 64, 96), bool)
    mask[:, 10:50, 20:70] = True
    result = composite(generated, template, mask, feather=0.1, match_colours=False)
    assert (result[~mask] == template[~mask]).all()
    assert (result[:, 20:40, 30:60] == generated[:, 20:40, 30:60]).all()
    edge, deeper = (np.abs(result[:, 30, x].astype(int) - generated[:, 30, x]).mean() for x in (20, 24))
    assert edge > deeper > 0


def test_no_feather_cuts_hard_and_a_full_mask_takes_everything() -> None:
    template = np.zeros((1, 16, 16, 3), np.uint8)
    generated = np.full((1, 16, 16, 3), 200, np.uint8)
    mask = np.zeros((1, 16, 16), bool)
    mask[:, :, :8] = True
    assert (composite(generated, template, mask, feather=0, match_colours=False)[mask] == 200).all()
    assert (composite(generated, template, np.ones_like(mask)) == 200).all()
    assert (composite(generated, template, np.zeros_like(mask)) == 0).all()


def test_colours_are_matched_at_the_border_and_kept_in_the_middle() -> None:
    template = np.full((1, 160, 240, 3), 120, np.uint8)
    generated = np.full((1, 160, 240, 3), 110, np.uint8)  # ten levels too dark, everywhere
    generated[:, 60:100, 90:150] = (200, 40, 40)
    mask = np.zeros((1, 160, 240), bool)
    mask[:, 30:130, 50:190] = True
    plain = composite(generated, template, mask, match_colours=False)[0].astype(int)
    matched = composite(generated, template, mask)[0].astype(int)
    assert (matched[~mask[0]] == 120).all()
    at_the_border = np.s_[34:126, 54]
    assert np.abs(matched[at_the_border] - 120).max() <= 5 < np.abs(plain[at_the_border] - 120).min()
    assert np.abs(matched[80, 120] - (200, 40, 40)).max() <= 1


def test_the_edge_lies_where_the_old_product_is_not() -> None:
    from pvtt.params.encode import MaskParams

    assert MaskParams().dilation > FEATHER
