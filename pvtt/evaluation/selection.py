"""Which samples are evaluated, and whose photos each gets in the swap test; from the seed and the dataset alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pvtt.files.hashing import sha256_json
from pvtt.records.dataset import EncodedSample


def _rank(seed: int, *parts: str) -> str:
    return sha256_json([seed, *parts])


def select(samples: Sequence[EncodedSample], most: int, seed: int) -> list[EncodedSample]:
    """At most `most` samples of one split: one clip of every product before a second of any, in seeded order."""
    by_product: dict[str, list[EncodedSample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda sample: _rank(seed, sample.key)):
        by_product[sample.product_id].append(sample)
    products = sorted(by_product, key=lambda product: _rank(seed, product))
    longest = max((len(clips) for clips in by_product.values()), default=0)
    rounds = [by_product[product][turn : turn + 1] for turn in range(longest) for product in products]
    return [sample for turn in rounds for sample in turn][:most]


def swap_partners(samples: Sequence[EncodedSample], seed: int) -> dict[str, str]:
    """For each product of one split, another whose photos stand in for its own; empty with fewer than two products.

    The products stand in a circle in seeded order, and each gets the next one's photos: no product gets its own, and
    each is used once.
    """
    products = sorted({sample.product_id for sample in samples}, key=lambda product: _rank(seed, "swap", product))
    if len(products) < 2:
        return {}
    return dict(zip(products, [*products[1:], products[0]], strict=True))
