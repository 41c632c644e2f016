"""photos: data/products/*/product.json and their photos → outs/photos.

One item a product. A bad photo is turned away and the product goes on, as long as `min_photos` are left.
"""

from __future__ import annotations

from pathlib import Path

from pvtt.files.atomic import atomic_directory
from pvtt.files.workspace import Workspace
from pvtt.foreground.saliency import weights_sha256
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.runner import Done, Item, materialise, run_items
from pvtt.params.file import Params
from pvtt.photos.prepare import PreparedPhotos, SourcePhoto, SourcePhotos, prepare_photos
from pvtt.records.base import write_jsonl
from pvtt.records.catalog import Product, Reject, read_products
from pvtt.records.clips import PhotoSet

STAGE = "photos"
CODE = ("photos", "media")


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Prepare all products' photos.

    Raises:
        MissingInputError: There is no data.
        FailureBudgetError: Too many products failed; `outs/photos/rejects.jsonl` names them.
    """
    products = read_products(workspace.data)
    items = [
        Item(
            name=product.product_id,
            payload=_source(product, workspace),
            inputs=(weights_sha256(), *(photo.sha256 for photo in product.photos)),
            product_id=product.product_id,
        )
        for product in products
    ]
    outcome = run_items(STAGE, items, prepare_photos, PreparedPhotos, params.photos, CODE, workspace, dispatcher)

    categories = {product.product_id: product.category for product in products}
    photo_sets: list[PhotoSet] = []
    rejects = list(outcome.rejects)
    with atomic_directory(workspace.out(STAGE)) as out:
        for done in outcome.done:
            photos = done.record.photos
            rejects += _rejected_photos(done)
            if len(photos) < params.photos.min_photos:
                rejects.append(_too_few(done, params.photos.min_photos))
                continue
            for photo in photos:
                materialise(done.directory / Path(photo.path).name, out / photo.path)
            photo_sets.append(PhotoSet(product_id=done.name, category=categories[done.name], photos=photos))
        rejects.sort(key=lambda reject: reject.item)
        write_jsonl(out / "photos.jsonl", photo_sets)
        write_jsonl(out / "rejects.jsonl", rejects)
    outcome.enforce_budget(STAGE, params.photos.max_failed_fraction)


def _source(product: Product, workspace: Workspace) -> SourcePhotos:
    return SourcePhotos(
        product_id=product.product_id,
        photos=tuple(
            SourcePhoto(source_path=photo.path, sha256=photo.sha256, path=workspace.data / photo.path)
            for photo in product.photos
        ),
    )


def _rejected_photos(done: Done[PreparedPhotos]) -> list[Reject]:
    return [
        Reject(
            stage=STAGE,
            item=f"{done.name}/photos/{Path(photo.source_path).name}",
            product_id=done.name,
            reason=photo.reason,
            message=photo.message,
        )
        for photo in done.record.rejects
    ]


def _too_few(done: Done[PreparedPhotos], min_photos: int) -> Reject:
    reasons = sorted({photo.reason for photo in done.record.rejects})
    why = f"; others were turned away: {', '.join(reasons)}" if reasons else ""
    return Reject(
        stage=STAGE,
        item=done.name,
        product_id=done.name,
        reason="too_few_photos",
        message=f"{len(done.record.photos)} usable photos, fewer than min_photos {min_photos}{why}",
    )
