"""A folder as a source: one directory a product, with its media and an optional `product.json`; or saved pages."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pvtt.crawl.content import HEAD_BYTES, sniff
from pvtt.crawl.drafts import UNCATEGORISED, MediaRef, ProductDraft, product_id_of
from pvtt.crawl.origin import local_url
from pvtt.crawl.publish import STAGE
from pvtt.crawl.saved import files_of, read_saved_page, saved_pages
from pvtt.errors import MissingInputError
from pvtt.files.storage import raise_storage_fault
from pvtt.records.base import first_fault
from pvtt.records.catalog import Reject

DETAILS = "product.json"
BAD_DETAILS = "bad_product_data"
NOT_UTF8 = "its name is not UTF-8 text: rename it"
VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"}
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif"}


class ProductDetails(BaseModel):
    """What a product directory's `product.json` may say; every field is optional."""

    model_config = ConfigDict(extra="forbid")

    product_id: str | None = None  # the directory's name otherwise
    title: str | None = None
    category: str | None = None
    description: str = ""
    license: str | None = None


def read_folder(
    folder: Path, may_fetch: Callable[[str], bool] = lambda url: False
) -> tuple[list[ProductDraft], list[Reject]]:
    """The products of a folder; and the directories, saved pages and odd files that cannot be used.

    Args:
        folder: With product directories, or with product pages that a browser saved.
        may_fetch: Whether a URL that a saved page names may be requested.

    Raises:
        MissingInputError: There is no such folder, or no product directory in it, and no saved page.
    """
    if not folder.is_dir():
        raise MissingInputError(
            f"crawl.start: there is no folder {folder}",
            "give the folder that holds one directory a product with --start",
        )
    pages = saved_pages(folder)
    shown = {files_of(page) for page in pages}
    directories = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    directories = [path for path in directories if path not in shown]
    if not directories and not pages:
        raise MissingInputError(
            f"crawl.start: {folder} holds no directories",
            "put each product's videos and photos into a directory of its own",
        )
    drafts: list[ProductDraft] = []
    rejects: list[Reject] = []
    for directory in directories:
        try:
            drafts.append(_draft(folder, directory, rejects))
        except UnicodeEncodeError:
            rejects.append(_reject(directory, folder, "bad_name", NOT_UTF8))
        except ValidationError as error:
            message = f"{DETAILS}: {first_fault(error)}"
            rejects.append(_reject(directory / DETAILS, folder, BAD_DETAILS, message))
    for page in pages:
        try:
            page.name.encode()
            record = read_saved_page(page, folder, may_fetch)
        except UnicodeEncodeError:
            rejects.append(_reject(page, folder, "bad_name", NOT_UTF8))
            continue
        drafts += record.drafts
        if record.problem is not None:
            rejects.append(_reject(page, folder, BAD_DETAILS, record.problem))
    return drafts, rejects


def _reject(path: Path, folder: Path, reason: str, message: str, product_id: str | None = None) -> Reject:
    name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
    return Reject(stage=STAGE, item=name, product_id=product_id, reason=reason, message=message)


def _draft(folder: Path, directory: Path, rejects: list[Reject]) -> ProductDraft:
    """The product of a directory. What in it is no file, or has an odd name, goes to `rejects`.

    Raises:
        UnicodeEncodeError: The directory's name is no UTF-8.
        ValidationError: Its `product.json` cannot be used.
    """
    directory.name.encode()
    file = directory / DETAILS
    text = file.read_bytes().removeprefix(codecs.BOM_UTF8) if file.is_file() else b"{}"
    details = ProductDetails.model_validate_json(text)
    product_id = product_id_of(details.product_id or directory.name)
    videos, photos = [], []
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or path.is_dir() or path == file:
            continue
        if path.exists() and not path.is_file():
            rejects.append(_reject(path, folder, "not_a_file", "it is a pipe, a socket or a device", product_id))
            continue
        try:
            relative.as_posix().encode()
        except UnicodeEncodeError:
            rejects.append(_reject(path, folder, "bad_name", NOT_UTF8, product_id))
            continue
        ref = MediaRef(url=relative.as_posix())
        kind = _kind(path)
        if kind == "video":
            videos.append(ref)
        elif kind == "photo":
            photos.append(ref)
    return ProductDraft(
        product_id=product_id,
        title=details.title or directory.name,
        category=details.category or UNCATEGORISED,
        description=details.description,
        page_url=local_url("folder", folder, directory.name),
        license=details.license,
        videos=tuple(videos),
        photos=tuple(photos),
    )


def _kind(path: Path) -> str | None:
    """What a file is by its bytes, or by its name where they say nothing: a broken file is rejected, not ignored."""
    try:
        with path.open("rb") as file:
            found = sniff(file.read(HEAD_BYTES))
    except OSError as error:
        raise_storage_fault(error, path)
        found = None
    if found is not None:
        return found.kind
    suffix = path.suffix.lower()
    return "video" if suffix in VIDEO_SUFFIXES else "photo" if suffix in PHOTO_SUFFIXES else None
