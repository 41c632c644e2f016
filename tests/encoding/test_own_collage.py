"""A collage cut out of the film: it agrees with the truth, and only training sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pvtt.encoding.encode import encode_sample, load_encoders
from pvtt.encoding.own_collage import OwnCollage
from pvtt.encoding.variants import draw_variants
from tests.encoding.samples import disc_frames, tiny_encode_params, write_sample
from tests.tiny_wan import build_tiny_base

PLAIN_LIGHT = (1.0, 0.0, 0.0)


def test_it_stands_where_the_product_stands_in_every_frame() -> None:
    frames, coverage = disc_frames(9, (200, 40, 40))
    for moment in (0.0, 0.5, 0.99):
        made = OwnCollage(moment, PLAIN_LIGHT).make(frames, coverage)
        product = coverage >= 128
        union = (made.region | product).sum(axis=(1, 2))
        assert ((made.region & product).sum(axis=(1, 2)) / union).min() > 0.95
        own = int(moment * 9)
        difference = made.over(np.zeros_like(frames))[own][product[own]].astype(int) - frames[own][product[own]]
        assert np.median(np.abs(difference)) <= 1  # but at the edge, which is drawn anew


def test_its_light_is_another() -> None:
    frames, coverage = disc_frames(5, (100, 100, 100))
    plain, bright = (
        OwnCollage(0.0, (gain, 0.0, 0.0)).make(frames, coverage).layer[0][coverage[0] == 255][:, 0].mean()
        for gain in (1.0, 1.1)
    )
    assert abs(bright / plain - 1.1) < 0.02


def test_without_a_product_it_is_empty() -> None:
    frames, coverage = disc_frames(5, (100, 100, 100))
    assert not OwnCollage(0.3, PLAIN_LIGHT).make(frames, np.zeros_like(coverage)).layer.any()
    coverage[:3] = 0  # the product comes in late
    assert OwnCollage(0.0, PLAIN_LIGHT).make(frames, coverage).region[3:].any()


def test_the_first_variant_has_a_photo_and_other_draws_stay() -> None:
    params = tiny_encode_params(variants=40, own_collage=0.5)
    variants = draw_variants("P001_001", [0, 1, 2], params, 40, seed=0, transfers=0.5)
    without = draw_variants("P001_001", [0, 1, 2], tiny_encode_params(variants=40), 40, seed=0, transfers=0.5)
    own = [variant.own_collage is not None for variant in variants]
    assert not own[0]
    assert 8 < sum(own) < 32
    assert [(v.place, v.colour, v.shape, v.photos, v.transfer) for v in variants] == [
        (v.place, v.colour, v.shape, v.photos, v.transfer) for v in without
    ]


def test_it_changes_the_collage_alone(tmp_path: Path) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    entry = write_sample(tmp_path)
    photo, _ = encode_sample(entry, tmp_path, tiny_encode_params(variants=2), 0, encoders, ["collage"])
    own, _ = encode_sample(entry, tmp_path, tiny_encode_params(variants=2, own_collage=1), 0, encoders, ["collage"])
    changed = {name for name in photo if not np.allclose(photo[name], own[name], atol=1e-4)}
    assert changed <= {"collage_latents", "collage_mask"}
    assert "collage_latents" in changed
    assert np.allclose(photo["collage_latents"][0], own["collage_latents"][0], atol=1e-4)
    truth, mine, pasted = own["latents"][1], own["collage_latents"][1], photo["collage_latents"][1]
    region = own["region"][1] > 0.5

    def error(latents: np.ndarray) -> float:
        return float(((latents - truth) ** 2 * region).sum())

    assert error(mine) < error(pasted)
