from __future__ import annotations

import numpy as np

from pvtt.generation.composite import composite


def test_outside_the_mask_every_bit_is_the_templates_and_the_edge_lies_inside() -> None:
    random = np.random.default_rng(0)
    template = random.integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    generated = random.integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    mask = np.zeros((2, 64, 96), bool)
    mask[:, 10:50, 20:70] = True
    result = composite(generated, template, mask, feather=0.1)
    assert (result[~mask] == template[~mask]).all()
    assert (result[:, 20:40, 30:60] == generated[:, 20:40, 30:60]).all()
    edge, deeper = (np.abs(result[:, 30, x].astype(int) - generated[:, 30, x]).mean() for x in (20, 24))
    assert edge > deeper > 0


def test_no_feather_cuts_hard_and_a_full_mask_takes_everything() -> None:
    template = np.zeros((1, 16, 16, 3), np.uint8)
    generated = np.full((1, 16, 16, 3), 200, np.uint8)
    mask = np.zeros((1, 16, 16), bool)
    mask[:, :, :8] = True
    assert (composite(generated, template, mask, feather=0)[mask] == 200).all()
    assert (composite(generated, template, np.ones_like(mask)) == 200).all()
    assert (composite(generated, template, np.zeros_like(mask)) == 0).all()
