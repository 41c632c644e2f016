"""Which samples are evaluated, and with whose photos they are swapped."""

from __future__ import annotations

from pvtt.evaluation.selection import select, swap_partners
from pvtt.records.dataset import EncodedSample


def encoded(product_id: str, clip_id: str) -> EncodedSample:
    return EncodedSample(
        split="test",
        product_id=product_id,
        clip_id=clip_id,
        category="ring",
        caption="",
        path=f"samples/{product_id}_{clip_id}.safetensors",
        num_variants=1,
        num_views=3,
        latent_shape=(16, 3, 4, 6),
        num_windows=1,
        photo_paths=(),
        photo_sha256s=(),
    )


SAMPLES = [encoded(f"P{product}", f"{clip:03d}") for product in range(5) for clip in range(1, 4)]


def test_every_product_comes_before_a_second_clip_of_any() -> None:
    assert len({sample.product_id for sample in select(SAMPLES, 5, 0)}) == 5
    seven = select(SAMPLES, 7, 0)
    assert len(seven) == len({sample.key for sample in seven}) == 7
    assert len({sample.product_id for sample in seven[:5]}) == 5


def test_selection_depends_on_the_seed_and_not_on_the_order() -> None:
    assert select(SAMPLES, 4, 1) == select(SAMPLES[::-1], 4, 1)
    assert len({tuple(sample.key for sample in select(SAMPLES, 4, seed)) for seed in range(8)}) > 1


def test_nobody_is_swapped_with_itself_and_all_photos_are_used_once() -> None:
    partners = swap_partners(SAMPLES, 3)
    assert sorted(partners) == sorted(partners.values()) == [f"P{product}" for product in range(5)]
    assert all(product != partner for product, partner in partners.items())


def test_one_product_has_no_partner() -> None:
    assert swap_partners(SAMPLES[:3], 0) == {}
