"""Splits: the ratios, near-duplicates together, and nothing trained on ever becomes a test product."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from pvtt.dataset.split import assign_splits, group_products, position
from pvtt.records.catalog import Product
from pvtt.records.clips import PhotoSet
from tests.dataset.build import params, photo_set, product


def splits(products: list[Product], photo_sets: list[PhotoSet] | None = None, **changes: object) -> dict[str, str]:
    sets = photo_sets or [photo_set(one.product_id) for one in products]
    places = assign_splits(products, sets, [one.product_id for one in products], params(**changes).validate_)
    return {product_id: place.split for product_id, place in places.items()}


def test_large_datasets_split_8_1_1() -> None:
    counts = Counter(splits([product(f"P{number}") for number in range(2000)]).values())
    assert counts["train"] == pytest.approx(1600, abs=60)
    assert counts["val"] == pytest.approx(200, abs=45)
    assert counts["test"] == pytest.approx(200, abs=45)


def test_growth_never_turns_a_training_product_into_a_held_out_one() -> None:
    products = [product(f"P{number}") for number in range(20)]
    before = splits(products)
    for number in range(20, 200, 4):
        products += [product(f"P{number + new}") for new in range(4)]
        after = splits(products)
        assert all(after[one] == "train" for one, split in before.items() if split == "train")
        assert all(after[one] != "val" for one, split in before.items() if split == "test")
        before = after


def test_beyond_the_minimum_nothing_moves_at_all() -> None:
    products = [product(f"P{number}") for number in range(300)]
    before, after = splits(products[:200]), splits(products)
    assert before == {one: after[one] for one in before}


@pytest.mark.parametrize(("num_products", "minimum"), [(10, 2), (20, 5), (50, 5)])
def test_small_datasets_have_something_to_test_on(num_products: int, minimum: int) -> None:
    for salt in ("a", "b", "c", "d"):
        counts = Counter(splits([product(f"P{n}") for n in range(num_products)], split_salt=salt).values())
        assert counts["test"] >= minimum
        assert counts["val"] >= minimum


def test_a_split_of_ratio_zero_stays_empty() -> None:
    counts = Counter(splits([product(f"P{n}") for n in range(50)], split_ratios=[0.9, 0.0, 0.1]).values())
    assert counts["val"] == 0
    assert counts["test"] >= 5


def test_near_duplicates_are_in_one_group_named_after_the_oldest() -> None:
    looks = (0x0123456789ABCDEF, 0xFEDCBA9876543210, 0x00FF00FF00FF00FF)
    almost = tuple(value ^ 0b1011 for value in looks)  # three bits away
    products = [product("A"), product("B", when="2026-01-06T10:00:00+00:00"), product("C")]
    sets = [photo_set("A", hashes=looks), photo_set("B", hashes=almost), photo_set("C")]
    assert group_products(products, sets, distance=6) == {"A": "A", "B": "A", "C": "C"}
    assert group_products(products, sets, distance=2) == {"A": "A", "B": "B", "C": "C"}


def test_one_view_alike_makes_no_duplicate_but_half_of_them_do() -> None:
    one = (1, 0xFFFF0000FFFF0000, 0x123456789ABCDEF0, 0x0F0F0F0F0F0F0F0F)
    similar_view = (1, 0x00000000FFFFFFFF << 32, 0x5555555555555555, 0x3333CCCC3333CCCC)
    half = (1, 0xFFFF0000FFFF0000, 0x5555555555555555, 0x3333CCCC3333CCCC)
    products = [product("A"), product("B")]
    apart = group_products(products, [photo_set("A", hashes=one), photo_set("B", hashes=similar_view)], 6)
    together = group_products(products, [photo_set("A", hashes=one), photo_set("B", hashes=half)], 6)
    assert apart == {"A": "A", "B": "B"}
    assert len(set(together.values())) == 1


def test_a_newcomer_joins_its_older_duplicate_wherever_that_is() -> None:
    rng = random.Random(0)
    moved = 0
    for number in range(60):
        looks = tuple(rng.getrandbits(64) for _ in range(3))
        old = product(f"OLD{number}")
        new = product(f"NEW{number}", when="2026-02-01T00:00:00+00:00")
        others = [product(f"P{n}") for n in range(40)]
        sets = [photo_set(old.product_id, hashes=looks), *(photo_set(one.product_id) for one in others)]
        before = splits([old, *others], sets)
        after = splits([old, *others, new], [*sets, photo_set(new.product_id, hashes=looks)])
        assert after[new.product_id] == after[old.product_id]
        moved += before[old.product_id] == "train" != after[old.product_id]
    assert moved == 0


def test_positions_are_fixed_for_ever() -> None:
    assert position("JEWE001", "pvtt") == pytest.approx(0.175742, abs=1e-6)
