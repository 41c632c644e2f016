"""How alike a product's photos are in colour, and those of two products: the figures of `LINKED`. Four minutes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np

import pvtt.builtin.shop
from pvtt.builtin.shop.catalog import catalog
from pvtt.generation.ad.photos import LINKED, linked, look
from pvtt.generation.ad.product import Appearance, alike
from pvtt.generation.inputs import read_photo

MEDIA = Path(pvtt.builtin.shop.__file__).parent / "site" / "media"


def weakest(looks: list[Appearance]) -> float:
    """The weakest of the links that hold photos together."""
    held, waiting, links = looks[:1], looks[1:], [1.0]
    while waiting:
        best = max(range(len(waiting)), key=lambda place: max(alike(waiting[place], one) for one in held))
        links.append(max(alike(waiting[best], one) for one in held))
        held.append(waiting.pop(best))
    return min(links)


def test_no_product_of_the_shop_is_refused_and_half_of_the_pairs_of_two_are() -> None:
    looks = {
        entry.product_id: [look(read_photo(path)) for path in sorted((MEDIA / entry.product_id).glob("*.jpg"))]
        for entry in catalog()
        if entry.copy_of is None
    }
    assert all(len(linked(of_product)) == 1 for of_product in looks.values())
    links = sorted((weakest(of_product), name) for name, of_product in looks.items())
    print("\nweakest links within a product:", ", ".join(f"{name} {link:.2f}" for link, name in links[:5]))
    category = {entry.product_id: entry.spec.category for entry in catalog()}
    pairs = list(combinations(looks, 2))
    mugs = [pair for pair in pairs if {category[name] for name in pair} == {"mug", "ring"}]
    for says, chosen in (("any two products", pairs), ("a mug and a ring", mugs)):
        refused = [len(linked([*looks[one], odd])) > 1 for one, other in chosen for odd in looks[other]]
        print(f"{says}: of one's photos and one of the other's {np.mean(refused):.0%} are refused at {LINKED}")
        assert np.mean(refused) > 0.25
