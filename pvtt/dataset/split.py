"""Which product is in which split: by hash of its id, near-duplicates together.

    product ids ──► groups of near-duplicates (photos' pHash) ──► a position in [0, 1) each ──► 0 test … train … val 1

A group's position is a hash, so it is independent of every other product: the dataset can grow and nothing moves. That
leaves the numbers, and the categories in a split, to chance: a held-out split of an expected m products varies by √m.
Ranking the products of each category instead would give exact strata, and would move products at every growth. A
product that was trained on must not become a test product, so chance stays, and the expectations of `suites.py`
measure it.

One exception keeps small datasets useful: where chance leaves a held-out split too small, the products nearest to its
end of [0, 1) join it. Growth can only send these back to training. (Below `4 * min_held_out` products the number that
is held out grows with the dataset.)
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pvtt.params.validate import ValidateParams
from pvtt.records.catalog import Product
from pvtt.records.clips import PhotoSet
from pvtt.records.dataset import Split

BLOCK = 256  # photos compared at once with all others: 2 MB a thousand others
DAY = len("2025-01-31")


@dataclass(frozen=True)
class Place:
    """Where a product is.

    Attributes:
        split: The split that its samples belong to.
        group: Id of the product that stands for its group of near-duplicates; its own where it has none.
    """

    split: Split
    group: str


def assign_splits(
    products: Sequence[Product], photo_sets: Sequence[PhotoSet], eligible: Collection[str], params: ValidateParams
) -> dict[str, Place]:
    """Place every eligible product.

    Args:
        products: All products of the dataset version.
        photo_sets: Their photos; near-duplicates are sought among all of them.
        eligible: Ids of the products that have samples.
        params: `split_ratios`, `near_duplicate_distance`, `split_salt`, `min_held_out`.
    """
    groups = group_products(products, photo_sets, params.near_duplicate_distance)
    members: dict[str, list[str]] = defaultdict(list)
    for product_id in sorted(eligible):
        members[groups[product_id]].append(product_id)
    _, val, test = params.split_ratios
    order = sorted(members, key=lambda group: (position(group, params.split_salt), group))
    minimum = min(params.min_held_out, len(eligible) // 4)
    held_out: dict[str, Split] = {}
    ends: tuple[tuple[Split, float, list[str]], ...] = (("test", test, order), ("val", val, order[::-1]))
    for split, ratio, from_end in ends:
        num_products = 0
        for group in from_end:
            distance = position(group, params.split_salt)
            distance = distance if split == "test" else 1 - distance
            if ratio == 0 or group in held_out or (distance >= ratio and num_products >= minimum):
                break
            held_out[group] = split
            num_products += len(members[group])
    return {
        product_id: Place(held_out.get(group, "train"), group)
        for group, product_ids in members.items()
        for product_id in product_ids
    }


def position(group: str, salt: str) -> float:
    """A group's fixed place in [0, 1)."""
    digest = hashlib.sha256(f"{salt}/{group}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def group_products(products: Sequence[Product], photo_sets: Sequence[PhotoSet], distance: int) -> dict[str, str]:
    """The group of every product: near-duplicates, and their near-duplicates, share one.

    A group is named after the member that was retrieved on the earliest day (the smallest hash among equals), so that a
    newcomer joins its group where it is. Only a newcomer that links two groups can move one: the younger.
    """
    parent = {product.product_id: product.product_id for product in products}

    def find(product_id: str) -> str:
        while parent[product_id] != product_id:
            parent[product_id] = parent[parent[product_id]]
            product_id = parent[product_id]
        return product_id

    for one, other in near_duplicates(photo_sets, distance):
        parent[find(one)] = find(other)
    age = {product.product_id: (_first_day(product), position(product.product_id, "age")) for product in products}
    oldest: dict[str, str] = {}
    for product_id in sorted(parent, key=lambda product_id: age[product_id]):
        oldest.setdefault(find(product_id), product_id)
    return {product_id: oldest[find(product_id)] for product_id in parent}


def _first_day(product: Product) -> str:
    """The day on which a product's oldest medium was retrieved; a crawl's order within a day means nothing."""
    return min(medium.retrieved_at for medium in (*product.videos, *product.photos))[:DAY]


def near_duplicates(photo_sets: Sequence[PhotoSet], distance: int) -> Iterable[tuple[str, str]]:
    """Pairs of products where at least half of the first one's photos resemble a photo of the second one.

    Half, because single views of different products can look alike to a 64-bit hash (3 of 25,000 pairs of the sample
    shop's, at a distance of 6), and chains of such accidents would tie a whole category together. All photos are
    compared with all others, in blocks: 4 s of one core for 10,000 products with 3 photos each.
    """
    owners = np.repeat(np.arange(len(photo_sets)), [len(photo_set.photos) for photo_set in photo_sets])
    hashes = np.array(
        [int(photo.perceptual_hash, 16) for photo_set in photo_sets for photo in photo_set.photos], dtype=np.uint64
    )
    num_alike: dict[tuple[int, int], int] = defaultdict(int)
    for start in range(0, len(hashes), BLOCK):
        for one, other in _alike(hashes, owners, slice(start, start + BLOCK), distance):
            num_alike[one, other] += 1
    for (one, other), count in sorted(num_alike.items()):
        if 2 * count >= len(photo_sets[one].photos):
            yield photo_sets[one].product_id, photo_sets[other].product_id


def _alike(
    hashes: npt.NDArray[np.uint64], owners: npt.NDArray[np.int64], block: slice, distance: int
) -> Iterable[tuple[int, int]]:
    """For each photo of the block: its owner and every other owner of a similar photo, once."""
    near = np.bitwise_count(hashes[block, None] ^ hashes[None, :]) <= distance  # (photos of the block, all photos)
    near &= owners[block, None] != owners[None, :]
    rows, columns = np.nonzero(near)
    for row, other in np.unique(np.stack([rows, owners[columns]]), axis=1).T:
        yield int(owners[block][row]), int(other)
