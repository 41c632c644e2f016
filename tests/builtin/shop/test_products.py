"""Products follow from a namespace and a number, and every kind of them has a sound mesh."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.builtin.shop.assembly import build
from pvtt.builtin.shop.catalog import catalog, good_entries
from pvtt.builtin.shop.products import CATEGORIES, STYLES, product_spec


def test_equal_numbers_give_equal_products() -> None:
    assert product_spec("shop", 17) == product_spec("shop", 17)


def test_namespaces_share_no_product() -> None:
    shop = [product_spec("shop", index) for index in range(200)]
    base = [product_spec("base", index) for index in range(2000)]
    assert not {spec.seed for spec in shop} & {spec.seed for spec in base}
    assert not {spec.proportions for spec in shop} & {spec.proportions for spec in base}
    assert not {spec.colour for spec in shop} & {spec.colour for spec in base}


def test_products_of_a_category_differ_in_what_is_seen() -> None:
    for category in CATEGORIES:
        chosen = [entry.spec for entry in good_entries() if entry.spec.category == category]
        looks = {(spec.style, spec.colour_name, spec.accent_name, spec.pattern, spec.metal) for spec in chosen}
        assert len(looks) == len(chosen) >= 7
        assert len({spec.colour_name for spec in chosen}) == len(chosen)


def test_titles_and_ids_of_the_shop_are_unique() -> None:
    entries = catalog()
    assert len({entry.product_id for entry in entries}) == len(entries)
    assert len({entry.spec.title for entry in entries}) == len(entries)
    assert len(good_entries()) == 50


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 is negative"):
        product_spec("shop", -1)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_style_stands_on_the_floor_inside_the_unit_sphere_with_faces_outwards(category: str) -> None:
    place = CATEGORIES.index(category)
    seen = set()
    for rank in range(len(STYLES[category])):  # the style cycles with the rank
        spec = product_spec("tests", place + rank * len(CATEGORIES))
        seen.add(spec.style)
        parts = build(spec)
        points = np.concatenate([part.mesh.positions for part in parts])
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        assert np.isfinite(points).all()
        assert points[:, 1].min() == pytest.approx(0.0, abs=1e-5)
        assert np.linalg.norm(points - middle, axis=1).max() == pytest.approx(1.0, abs=1e-4)
        for part in parts:
            mesh = part.mesh
            assert np.abs(np.linalg.norm(mesh.normals, axis=1) - 1.0).max() < 1e-4
            assert mesh.triangles.max() < len(mesh.positions)
            a, b, c = (mesh.positions[mesh.triangles[:, k]] for k in range(3))
            along = np.einsum("ij,ij->i", np.cross(b - a, c - a), mesh.normals[mesh.triangles].sum(axis=1))
            assert along.min() > -1e-6, f"{spec.style}: a triangle faces against its normals"
    assert seen == set(STYLES[category])
