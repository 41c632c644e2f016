"""Taking products and files out of `data/` for good, and letting them in again.

A tombstone is written before anything is removed: what a kill left goes with the same call again, or the next crawl.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


class Tombstones:
    """What must not come back, for a crawl to ask.

    Args:
        tombstones: All lines of the file.
    """

    def __init__(self, tombstones: Iterable[Tombstone]) -> None:
        self._products: dict[_Name, Tombstone] = {}
        self._contents: dict[str, Tombstone] = {}  # of whole products
        self._files: dict[tuple[_Name, str], Tombstone] = {}  # a product's name, and a content
        for tombstone in tombstones:
            names = _names(tombstone.product_id, tombstone.page_url)
            if tombstone.path is None:
                self._products |= dict.fromkeys(names, tombstone)
                self._contents |= dict.fromkeys(tombstone.sha256s, tombstone)
            else:
                self._files |= {(name, sha256): tombstone for name in names for sha256 in tombstone.sha256s}

    def of_product(self, product_id: str, page_url: str) -> Tombstone | None:
        """The tombstone of a product: its page's, or its id's at the same source."""
        return next((self._products[name] for name in _names(product_id, page_url) if name in self._products), None)

    def of_file(self, product_id: str, page_url: str, sha256: str) -> Tombstone | None:
        """The tombstone of one of a product's files: that file's, or a forgotten product's that it was."""
        found = (self._files.get((name, sha256)) for name in _names(product_id, page_url))
        return next((one for one in found if one is not None), self._contents.get(sha256))


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
        gone = {one.product_id for one in old if one.path is None} - catalog.keys()  # by a call that was killed
        products = [find_product(name, catalog) for name in dict.fromkeys(product_ids) if name not in gone]
        leaving = {product.product_id for product in products}
        kept = {
            medium.sha256
            for product in catalog.values()
            if product.product_id not in leaving
            for medium in _media(product)
        }
        now = _now()
        new = [
            Tombstone(
                product_id=product.product_id,
                page_url=product.page_url,
                sha256s=tuple(sorted({medium.sha256 for medium in _media(product)} - kept)),
                reason=_one_line(reason),
                forgotten_at=now,
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
        gone = {one.path for one in old} - owners.keys()  # from their records, by a call that was killed
        for name in [name for name in names if name in gone]:
            remove(workspace.data / name)
            del names[name]
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
                reason=_one_line(reason),
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


_Name = tuple[str, str]


def _names(product_id: str, page_url: str) -> tuple[_Name, _Name]:
    """What a product is known by: its page, and its id at its source."""
    return ("", page_url), (product_id, origin_of(page_url))


def _one_line(text: str) -> str:
    return " ".join(text.split())


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
