"""The bench's triplets: of products that nothing is trained on, with splits that are crossed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest

from pvtt.builtin.bench.build import read_hashes
from pvtt.builtin.bench.plan import FULL, MIN_CONTRAST, SMALL, contrast, plan_sha256, plan_triplet, plans
from pvtt.builtin.bench.products import FORMS, MATERIALS, NAMESPACE, PER_TRIPLET, new_product
from pvtt.builtin.shop.catalog import NAMESPACE as SHOP
from pvtt.builtin.shop.catalog import catalog
from pvtt.builtin.shop.products import product_spec, varied_spec
from pvtt.builtin.shop.scenes import MOVE_KINDS
from pvtt.builtin.wan_tiny.data import NAMESPACE as BASE

NUM_TRAINED = 2000  # products of a family that a training may have seen; the shipped models saw 1,774
SPLITS = ("shape gap", "material", "shots", "motion")


def test_nothing_is_trained_on_its_products() -> None:
    assert NAMESPACE not in (SHOP, BASE, "tests")
    known = {varied_spec(BASE, index).seed for index in range(NUM_TRAINED)}
    known |= {product_spec(family, index).seed for family in (SHOP, "tests") for index in range(NUM_TRAINED)}
    known |= {entry.spec.seed for entry in catalog()}
    own = [varied_spec(NAMESPACE, index) for index in range(FULL * PER_TRIPLET)]
    assert not known & {spec.seed for spec in own}
    shapes = {product_spec(SHOP, index).proportions for index in range(NUM_TRAINED)}
    assert not shapes & {spec.proportions for spec in own}


@pytest.mark.parametrize(("is_small", "count"), [(True, SMALL), (False, FULL)])
def test_kinds_are_as_frequent_as_each_other_and_crossed(is_small: bool, count: int) -> None:
    every = plans(is_small)
    assert len(every) == count == len({plan.name for plan in every})
    assert plans(True) == plans(False)[:SMALL]
    for split in SPLITS:
        counts = Counter(plan.splits[split] for plan in every)
        assert max(counts.values()) - min(counts.values()) <= 1, split
    for one, other in combinations(SPLITS, 2):
        pairs = Counter((plan.splits[one], plan.splits[other]) for plan in every)
        kinds = len({plan.splits[one] for plan in every}) * len({plan.splits[other] for plan in every})
        assert len(pairs) >= (0.75 * kinds if is_small else kinds), f"{one} goes with {other}"
    assert {plan.motion for plan in every} == set(MOVE_KINDS)


def test_a_triplet_is_what_its_splits_say() -> None:
    for plan in plans(True):
        new, old = plan.product, plan.template_product
        assert (new.category == old.category) == plan.same_category
        assert new.style in FORMS[plan.material][new.category]
        assert new.finish == {"matte": "matte", "metal": "metallic"}.get(plan.material, "gloss")
        assert {shot.move.kind for shot in plan.film.shots} == {plan.motion}
        assert 18 <= plan.film.num_frames <= 48  # 1.5 to 4 seconds
        assert all(shot.num_frames >= 9 for shot in plan.film.shots)
        assert 1 <= plan.num_photos <= 3


def test_look_alikes_are_of_the_same_kind_and_other_products() -> None:
    for plan in plans(True):
        everyone = (plan.product, plan.template_product, *plan.look_alikes)
        assert len({spec.seed for spec in everyone}) == len(everyone)
        assert {spec.category for spec in plan.look_alikes} == {plan.product.category}
        assert {spec.finish for spec in plan.look_alikes} == {plan.product.finish}
        assert len({spec.colour for spec in (plan.product, *plan.look_alikes)}) == 1 + len(plan.look_alikes)


def test_products_are_told_from_the_floor() -> None:
    plain = [
        contrast(shot.scene, (plan.product, plan.template_product)) for plan in plans(True) for shot in plan.film.shots
    ]
    assert sum(one >= MIN_CONTRAST for one in plain) / len(plain) > 0.9
    assert min(plain) > MIN_CONTRAST / 2


def test_no_two_triplets_share_a_product() -> None:
    seen = [spec.seed for plan in plans(False) for spec in (plan.product, plan.template_product, *plan.look_alikes)]
    assert len(seen) == len(set(seen))


def test_a_material_has_its_categories() -> None:
    assert set(FORMS) == set(MATERIALS)
    with pytest.raises(ValueError, match="no watch is glass: bottle, pendant, mug"):
        new_product(0, "glass", "watch")


def test_a_triplet_follows_from_its_number() -> None:
    first = plan_triplet(5)
    plan_triplet.cache_clear()
    assert plan_triplet(5) == first


def test_all_are_planned_as_published_on_every_machine() -> None:
    published = read_hashes().plans
    assert published == {plan.name: plan_sha256(plan) for plan in plans(False)}
    assert len(published) == FULL


def test_a_plans_hash_is_of_all_that_is_rendered_and_not_of_a_numbers_last_digits() -> None:
    plan = plan_triplet(5)
    first, *others = plan.film.shots
    for change in ({"fill": first.fill + 0.01}, {"scene": replace(first.scene, seed=1)}, {"num_frames": 1}):
        film = replace(plan.film, shots=(replace(first, **change), *others))
        assert plan_sha256(replace(plan, film=film)) != plan_sha256(plan)
    film = replace(plan.film, shots=(replace(first, fill=first.fill * (1 + 1e-15)), *others))
    assert plan_sha256(replace(plan, film=film)) == plan_sha256(plan)
