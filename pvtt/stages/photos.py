"""photos: data/products/*/product.json and their photos → outs/photos.

One item a product. A bad photo is turned away and the product goes on, as long as `min_photos` are left.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.items.runner import Done, Outcome
    from pvtt.params.file import Params
    from pvtt.photos.prepare import PreparedPhotos, SourcePhotos
    from pvtt.records.catalog import Product, Reject

STAGE = Stage(
    name="photos",
    help="Remove the background of product photos and drop duplicates",
    reads=("data",),
    params=("photos",),
    writes=("outs/photos/photos", "outs/photos/photos.jsonl", "outs/photos/rejects.jsonl"),
    work="pvtt.photos.prepare:prepare_photos",
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Prepare all products' photos.

    Raises:
        MissingInputError: There is no data.
        FailureBudgetError: Too many products failed; `outs/photos/rejects.jsonl` names them.
    """
    from pvtt.files.atomic import atomic_directory
    from pvtt.foreground.saliency import weights_sha256
    from pvtt.items.runner import Item, materialise
    from pvtt.records.base import write_jsonl
    from pvtt.records.catalog import REJECTS_FILE, read_products
    from pvtt.records.clips import PhotoSet

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
    outcome: Outcome[PreparedPhotos] = STAGE.work_on(items, params.photos, workspace, dispatcher)

    categories = {product.product_id: product.category for product in products}
    photo_sets: list[PhotoSet] = []
    rejects = list(outcome.rejects)
    with atomic_directory(workspace.out(STAGE.name)) as out:
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
        write_jsonl(out / REJECTS_FILE, rejects)
    outcome.enforce_budget(STAGE.name, params.photos.max_failed_fraction)


def _source(product: Product, workspace: Workspace) -> SourcePhotos:
    from pvtt.photos.prepare import SourcePhoto, SourcePhotos

    return SourcePhotos(
        product_id=product.product_id,
        photos=tuple(
            SourcePhoto(source_path=photo.path, sha256=photo.sha256, path=workspace.data / photo.path)
            for photo in product.photos
        ),
    )


def _rejected_photos(done: Done[PreparedPhotos]) -> list[Reject]:
    from pvtt.records.catalog import Reject

    return [
        Reject(
            stage=STAGE.name,
            item=f"{done.name}/photos/{Path(photo.source_path).name}",
            product_id=done.name,
            reason=photo.reason,
            message=photo.message,
        )
        for photo in done.record.rejects
    ]


def _too_few(done: Done[PreparedPhotos], min_photos: int) -> Reject:
    from pvtt.records.catalog import Reject

    reasons = sorted({photo.reason for photo in done.record.rejects})
    why = f"; others were turned away: {', '.join(reasons)}" if reasons else ""
    return Reject(
        stage=STAGE.name,
        item=done.name,
        product_id=done.name,
        reason="too_few_photos",
        message=f"{len(done.record.photos)} usable photos, fewer than min_photos {min_photos}{why}",
    )
