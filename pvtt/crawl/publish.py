"""`data/` on disk: reading it, and bringing it up to date with what a source gave.

Equal sources give equal bytes: records keep the time of the first retrieval of what they hold, and nothing is rewritten
that has not changed. Every file is put under its name whole, media before the `product.json` that names them, and
nothing is removed before everything new is in place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pvtt.crawl.drafts import MediaKind, MediaRecord, MediaRef, ProductDraft
from pvtt.crawl.forget import Tombstones, in_words
from pvtt.crawl.origin import origin_of
from pvtt.crawl.state import Refusal
from pvtt.files.atomic import atomic_path, atomic_write_text, remove
from pvtt.files.storage import TEMPORARY_PREFIX, storage_errors
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import PRODUCT_FILE, REJECTS_FILE, MediaFile, Product, Reject, SourceKind, read_catalog
from pvtt.records.tombstones import read_tombstones

STAGE = "crawl"
_SHORT_HASH = 16  # hexadecimal digits of the SHA-256 in a media file's name


@dataclass(frozen=True)
class Stored:
    """A media file in hand."""

    record: MediaRecord
    path: Path


Resolved = tuple[Stored | None, Refusal | None]  # both: the file of an earlier crawl, as this one failed to get it


@dataclass(frozen=True)
class Harvest:
    """What a source gave.

    Args:
        source: The kind of source that it came from.
        origins: What `origin_of` says of this source's products: those that are not in the harvest have left.
        drafts: The products, in any order.
        resolve: Finds a draft's medium.
        refused: Pages and rows that gave no product.
        complete: Everything that the source offers was seen.
        params: With the license of what names none, and the share of the source's products that may leave at once.
    """

    source: SourceKind
    origins: frozenset[str]
    drafts: Sequence[ProductDraft]
    resolve: Callable[[MediaKind, MediaRef], Resolved]
    refused: Sequence[Reject]
    complete: bool
    params: CrawlParams


@dataclass
class Published:
    """What `publish` did."""

    catalog: dict[str, Product] = field(default_factory=dict)  # all of `data/` afterwards
    rejects: list[Reject] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # of this source, and not known to have left
    braked: list[str] = field(default_factory=list)  # of this source, gone, and kept as they are too many at once
    foreign: list[str] = field(default_factory=list)  # of other sources


def held_contents(workspace: Workspace, catalog: dict[str, Product]) -> dict[str, Path]:
    """SHA-256 → file, for the media of `data/` that are there with their recorded size."""
    held = {}
    for product in catalog.values():
        for medium in (*product.videos, *product.photos):
            path = workspace.data / medium.path
            if path.is_file() and path.stat().st_size == medium.num_bytes:
                held[medium.sha256] = path
    return held


def publish(workspace: Workspace, harvest: Harvest) -> Published:
    """Bring `data/` up to date with a harvest. Raises `StorageError`: every product is then whole, old or new."""
    with storage_errors(workspace.data):
        return _publish(workspace, harvest)


def _publish(workspace: Workspace, harvest: Harvest) -> Published:
    for leftover in list(workspace.data.rglob(f"{TEMPORARY_PREFIX}*")):
        remove(leftover)
    tombstones = Tombstones(read_tombstones(workspace.data))
    before = _without_forgotten(workspace, tombstones)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    published = Published(rejects=list(harvest.refused))
    own = {
        product_id
        for product_id, product in before.items()
        if product.source == harvest.source and origin_of(product.page_url) in harvest.origins
    }
    published.foreign = [product_id for product_id in before if product_id not in own]
    products = _accept(harvest, before, own, now, published, workspace.data, tombstones)

    for product, files in products:
        old = before.get(product.product_id)
        _put(workspace, product, files)
        state = published.new if old is None else published.unchanged if product == old else published.changed
        state.append(product.product_id)
        published.catalog[product.product_id] = product

    lost = [product_id for product_id in before if product_id in own and product_id not in published.catalog]
    gone = _gone(harvest, lost, published.rejects)
    may_leave = harvest.params.max_dropped_fraction * len(own)
    too_many = len(gone) > (max(1, may_leave) if may_leave else 0)  # of a few products, one is a large share
    published.kept = [product_id for product_id in lost if product_id not in gone]
    for product_id in gone:
        if too_many:
            published.braked.append(product_id)
        else:
            remove(workspace.data / "products" / product_id)
            published.dropped.append(product_id)
    published.catalog |= {
        product_id: product
        for product_id, product in before.items()
        if product_id not in published.catalog and product_id not in published.dropped
    }
    published.catalog = dict(sorted(published.catalog.items()))
    for product_id in (*published.changed, *published.unchanged):
        _remove_unnamed(workspace, published.catalog[product_id])
    for directory in (workspace.data / "products").glob("*"):
        if directory.name not in published.catalog and not (directory / PRODUCT_FILE).exists():
            remove(directory)  # a kill fell between a product's media and its record

    published.rejects.sort(key=lambda reject: (reject.item, reject.product_id or "", reject.reason))
    lines = "".join(reject.to_json() + "\n" for reject in published.rejects)
    _write_if_changed(workspace.data / REJECTS_FILE, lines)
    return published


def _gone(harvest: Harvest, lost: Sequence[str], rejects: Sequence[Reject]) -> list[str]:
    """Those of the lost products of which the source says that they are gone, or off-spec now.

    That a file of a product could not be had says neither: it may pass.
    """
    offered = {draft.product_id for draft in harvest.drafts}
    failed = {reject.product_id for reject in rejects if reject.failed}
    off_spec = {reject.product_id for reject in rejects if not reject.failed}
    return [
        product_id
        for product_id in lost
        if product_id not in failed and (product_id in off_spec or (harvest.complete and product_id not in offered))
    ]


def _without_forgotten(workspace: Workspace, tombstones: Tombstones) -> dict[str, Product]:
    """What `data/` holds, less what a `forget` that was killed had still to remove."""
    before = read_catalog(workspace.data)
    for product in list(before.values()):
        if tombstones.of_product(product.product_id, product.page_url) is not None:
            remove(workspace.data / "products" / product.product_id)
            del before[product.product_id]
    return before


def _accept(
    harvest: Harvest,
    before: dict[str, Product],
    own: set[str],
    now: str,
    published: Published,
    data: Path,
    tombstones: Tombstones,
) -> list[tuple[Product, list[Stored]]]:
    """Turn drafts into products with their files; writes the others into `published.rejects`."""

    def reject(item: str, product_id: str, refusal: Refusal) -> None:
        published.rejects.append(
            Reject(
                stage=STAGE,
                item=item,
                product_id=product_id,
                reason=refusal.reason,
                message=refusal.message,
                failed=refusal.failed,
            )
        )

    # Products that stay whatever this harvest says.
    contents = {
        content: product_id
        for product_id, product in before.items()
        if product_id not in own
        for content in _contents(product)
    }
    products = []
    seen: dict[str, ProductDraft] = {}
    for draft in sorted(harvest.drafts, key=lambda draft: (draft.product_id, draft.page_url)):
        product_id = draft.product_id
        first = seen.setdefault(product_id, draft)
        if first is not draft:
            if (first.videos, first.photos) != (draft.videos, draft.photos):
                message = f"another product has this id: {first.page_url}"
                reject(draft.page_url, product_id, Refusal("duplicate_product", message))
            continue
        if product_id in before and product_id not in own:
            message = f"data/ holds another product with this id: {before[product_id].page_url}"
            reject(draft.page_url, product_id, Refusal("duplicate_product", message))
            continue
        tombstone = tombstones.of_product(product_id, draft.page_url)
        if tombstone is not None:
            reject(draft.page_url, product_id, Refusal("forgotten", in_words(tombstone)))
            continue
        if not draft.videos:
            reject(draft.page_url, product_id, Refusal("no_video", "the product has no video"))
            continue
        found: dict[MediaKind, dict[str, tuple[MediaFile, Stored]]] = {"video": {}, "photo": {}}
        for kind, ref in draft.refs():
            stored, refusal = harvest.resolve(kind, ref)
            if refusal is not None:
                reject(ref.url, product_id, refusal)
            if stored is None and refusal is not None and refusal.failed:
                stored = _held_before(before.get(product_id), ref, data)
            if stored is not None:
                sha256 = stored.record.sha256
                tombstone = tombstones.of_file(product_id, draft.page_url, sha256)
                if tombstone is not None:
                    reject(ref.url, product_id, Refusal("forgotten", in_words(tombstone)))
                    continue
                found[kind].setdefault(sha256, (_media_file(draft, ref, stored, harvest.params.license), stored))
        if not found["video"]:
            continue  # the rows of its videos say why
        product = Product(
            product_id=product_id,
            title=draft.title,
            category=draft.category,
            description=draft.description,
            source=harvest.source,
            page_url=draft.page_url,
            license=draft.license or harvest.params.license,
            retrieved_at=now,
            videos=tuple(medium for medium, _ in found["video"].values()),
            photos=tuple(medium for medium, _ in found["photo"].values()),
        )
        copied = next((content for content in _contents(product) if content in contents), None)
        if copied is not None:
            message = f"all its {copied[0]} are those of {contents[copied]}"
            reject(draft.page_url, product_id, Refusal("duplicate_product", message))
            continue
        contents |= dict.fromkeys(_contents(product), product_id)
        files = [stored for media in found.values() for _, stored in media.values()]
        products.append((_with_first_times(product, before.get(product_id)), files))
    return products


def _held_before(product: Product | None, ref: MediaRef, data: Path) -> Stored | None:
    """The medium as an earlier crawl got it, where this one failed to; None where `data/` has it not."""
    for medium in () if product is None else (*product.videos, *product.photos):
        path = data / medium.path
        if medium.url == ref.url and path.is_file() and path.stat().st_size == medium.num_bytes:
            record = MediaRecord(
                sha256=medium.sha256,
                num_bytes=medium.num_bytes,
                media_type=medium.media_type,
                extension=path.suffix,
                retrieved_at=medium.retrieved_at,
            )
            return Stored(record, path)
    return None


def _contents(product: Product) -> list[tuple[str, frozenset[str]]]:
    """What two products must not share: all of their videos, or all of their photos (a video is often re-encoded)."""
    kinds = {"videos": product.videos, "photos": product.photos}
    return [(name, frozenset(medium.sha256 for medium in media)) for name, media in kinds.items() if media]


def _media_file(draft: ProductDraft, ref: MediaRef, stored: Stored, default_license: str | None) -> MediaFile:
    record = stored.record
    return MediaFile(
        path=f"products/{draft.product_id}/media/{record.sha256[:_SHORT_HASH]}{record.extension}",
        url=ref.url,
        sha256=record.sha256,
        num_bytes=record.num_bytes,
        media_type=record.media_type,
        retrieved_at=record.retrieved_at,
        license=ref.license or draft.license or default_license,
    )


def _with_first_times(product: Product, old: Product | None) -> Product:
    """The product with the retrieval times of what `data/` already holds of it."""
    if old is None:
        return product
    times = {(medium.url, medium.sha256): medium.retrieved_at for medium in (*old.videos, *old.photos)}

    def timed(medium: MediaFile) -> MediaFile:
        return medium.model_copy(update={"retrieved_at": times.get((medium.url, medium.sha256), medium.retrieved_at)})

    product = product.model_copy(
        update={"videos": tuple(map(timed, product.videos)), "photos": tuple(map(timed, product.photos))}
    )
    same = product.model_copy(update={"retrieved_at": old.retrieved_at})
    return same if same == old else product


def _put(workspace: Workspace, product: Product, files: Sequence[Stored]) -> None:
    """Put a product's media and then its record under their names."""
    for medium, stored in zip((*product.videos, *product.photos), files, strict=True):
        target = workspace.data / medium.path
        if not target.is_file() or target.stat().st_size != medium.num_bytes:
            _link_or_copy(stored.path, target)
    _write_if_changed(workspace.data / "products" / product.product_id / PRODUCT_FILE, product.to_json(indent=2) + "\n")


def _link_or_copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.unlink()
        try:
            os.link(source.resolve(), temporary)  # of a symbolic link, its target
        except OSError:
            shutil.copyfile(source, temporary)


def _remove_unnamed(workspace: Workspace, product: Product) -> None:
    """Remove media that the product no longer names."""
    named = {workspace.data / medium.path for medium in (*product.videos, *product.photos)}
    for file in (workspace.data / "products" / product.product_id / "media").iterdir():
        if file not in named:
            file.unlink()


def _write_if_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        atomic_write_text(path, text)
