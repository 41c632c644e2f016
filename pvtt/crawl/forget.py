"""Taking products and files out of `data/` for good, and letting them in again.

A tombstone is written before anything is removed: what a kill left is removed by the next `forget` or crawl.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import PurePosixPath

from pvtt.crawl.origin import origin_of
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_write_text, remove
from pvtt.files.lock import hold_lock
from pvtt.files.storage import storage_errors
from pvtt.files.workspace import Workspace
from pvtt.records.base import write_jsonl
from pvtt.records.catalog import PRODUCT_FILE, MediaFile, Product, read_catalog
from pvtt.records.tombstones import TOMBSTONES_FILE, Tombstone, read_tombstones

LOCK_FILE = "crawl.lock"  # below .pvtt: whoever changes data/ holds it


@dataclass(frozen=True)
class Tombstones:
    """What must not come back, for a crawl to ask.

    Args:
        products: Those of whole products.
        contents: SHA-256 → the tombstone that it went with.
    """

    products: tuple[Tombstone, ...]
    contents: Mapping[str, Tombstone]

    @classmethod
    def of(cls, tombstones: Iterable[Tombstone]) -> Tombstones:
        """Of all lines of the file."""
        known = list(tombstones)
        contents = {sha256: tombstone for tombstone in known for sha256 in tombstone.sha256s}
        return cls(tuple(tombstone for tombstone in known if tombstone.path is None), contents)

    def of_product(self, product_id: str, page_url: str) -> Tombstone | None:
        """The tombstone of a product: its page's, or its id's at the same source."""
        for tombstone in self.products:
            if tombstone.page_url == page_url or (
                tombstone.product_id == product_id and origin_of(tombstone.page_url) == origin_of(page_url)
            ):
                return tombstone
        return None


def in_words(tombstone: Tombstone) -> str:
    """Why something is left out, in one line."""
    return (
        f"{tombstone.name} was taken out on {tombstone.forgotten_at[:10]}: {tombstone.reason} "
        f"(`pvtt data restore {tombstone.name}` lets it in again)"
    )


def forget(workspace: Workspace, product_ids: Sequence[str], reason: str) -> list[Tombstone]:
    """Remove products from `data/`, and keep every crawl from bringing them back.

    Contents that another product has too, such as a brand's size chart, stay that product's.

    Args:
        workspace: Whose `data/` it is.
        product_ids: The products.
        reason: One line for those who ask later.

    Returns:
        The new tombstones.

    Raises:
        MissingInputError: There is no such product; nothing was changed.
        LockedError: A crawl runs.
        StorageError: The machine's storage failed; the same call again ends the work.
    """
    with _changing(workspace):
        catalog = read_catalog(workspace.data)
        old = read_tombstones(workspace.data)
        products = [find_product(product_id, catalog) for product_id in dict.fromkeys(product_ids)]
        leaving = {product.product_id for product in products}
        kept = {
            medium.sha256
            for product in catalog.values()
            if product.product_id not in leaving
            for medium in _media(product)
        }
        new = [
            Tombstone(
                product_id=product.product_id,
                page_url=product.page_url,
                sha256s=tuple(sorted({medium.sha256 for medium in _media(product)} - kept)),
                reason=reason,
                forgotten_at=_now(),
            )
            for product in products
        ]
        _write(workspace, [*old, *new])
        for product in products:
            remove(workspace.data / "products" / product.product_id)
        return new


def reject_files(workspace: Workspace, paths: Sequence[str], reason: str) -> list[Tombstone]:
    """Remove single photos and videos from `data/`, and keep every crawl from bringing them back.

    Args:
        workspace: Whose `data/` it is.
        paths: As `product.json` names them, with or without `data/` before it.
        reason: One line for those who ask later.

    Returns:
        The new tombstones.

    Raises:
        MissingInputError: There is no such file; nothing was changed.
        PvttError: It would leave a product without a video; nothing was changed.
        LockedError: A crawl runs.
        StorageError: The machine's storage failed; the same call again ends the work.
    """
    with _changing(workspace):
        catalog = read_catalog(workspace.data)
        old = read_tombstones(workspace.data)
        names = dict.fromkeys(str(PurePosixPath(path)).removeprefix("data/") for path in paths)
        owners = {medium.path: product for product in catalog.values() for medium in _media(product)}
        for name in names:
            if name not in owners:
                raise MissingInputError(
                    f"no product of {workspace.data} has the file {name}",
                    "`pvtt data show PRODUCT` lists a product's files",
                )
        changed = {owners[name].product_id: _without(owners[name], names) for name in names}
        now = _now()
        new = [
            Tombstone(
                product_id=owners[name].product_id,
                page_url=owners[name].page_url,
                path=name,
                sha256s=tuple(medium.sha256 for medium in _media(owners[name]) if medium.path == name),
                reason=reason,
                forgotten_at=now,
            )
            for name in names
        ]
        for product in changed.values():
            if not product.videos:
                raise PvttError(
                    f"{product.product_id} would be left without a video",
                    f"take out the whole product: pvtt data forget {product.product_id}",
                )
        _write(workspace, [*old, *new])
        for product in changed.values():
            file = workspace.data / "products" / product.product_id / PRODUCT_FILE
            atomic_write_text(file, product.to_json(indent=2) + "\n")
        for name in names:
            remove(workspace.data / name)
        return new


def restore(workspace: Workspace, names: Sequence[str]) -> list[Tombstone]:
    """Remove tombstones: the next crawl brings back what its source still has.

    Args:
        workspace: Whose `data/` it is.
        names: Ids of products, which stand for their files too, and paths of files.

    Returns:
        The tombstones that were.

    Raises:
        MissingInputError: One names nothing that was taken out; nothing was changed.
        LockedError: A crawl runs.
        StorageError: The machine's storage failed.
    """
    with _changing(workspace):
        old = read_tombstones(workspace.data)
        wanted = {str(PurePosixPath(name)).removeprefix("data/") for name in names}
        known = {tombstone.name for tombstone in old} | {tombstone.product_id for tombstone in old}
        for name in sorted(wanted - known):
            raise MissingInputError(
                f"{name} was not taken out of {workspace.data}", "`pvtt data ls --forgotten` lists what was"
            )
        gone = [one for one in old if {one.name, one.product_id} & wanted]
        _write(workspace, [one for one in old if one not in gone])
        return gone


@contextmanager
def _changing(workspace: Workspace) -> Iterator[None]:
    """Alone, and with the disk's faults told."""
    with hold_lock(workspace.state / LOCK_FILE, "pvtt crawl"), storage_errors(workspace.data):
        yield


def find_product(product_id: str, catalog: Mapping[str, Product]) -> Product:
    """A product of `data/`. Raises `MissingInputError`, which names the nearest."""
    if product_id in catalog:
        return catalog[product_id]
    near = get_close_matches(product_id, catalog, n=3)
    raise MissingInputError(
        f"data/ holds no product {product_id}",
        f"did you mean {', '.join(near)}?" if near else "`pvtt data ls` lists the products",
    )


def _media(product: Product) -> tuple[MediaFile, ...]:
    return (*product.videos, *product.photos)


def _without(product: Product, paths: Container[str]) -> Product:
    media = {
        kind: tuple(medium for medium in getattr(product, kind) if medium.path not in paths)
        for kind in ("videos", "photos")
    }
    return product.model_copy(update=media)


def _write(workspace: Workspace, tombstones: Sequence[Tombstone]) -> None:
    """One of a name, the newest; no file where there is none."""
    path = workspace.data / TOMBSTONES_FILE
    newest = {(tombstone.page_url, tombstone.name): tombstone for tombstone in tombstones}
    if newest:
        write_jsonl(path, [newest[key] for key in sorted(newest)])
    else:
        path.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
