"""The raw data before it becomes a dataset version: every record parses, and every file is the one it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from pvtt.errors import MissingInputError, StorageError, ValidationFailedError
from pvtt.files.atomic import atomic_write_text
from pvtt.files.hashing import sha256_file
from pvtt.files.links import lies_within
from pvtt.files.workspace import Workspace
from pvtt.records.base import first_fault
from pvtt.records.catalog import PRODUCT_FILE, MediaFile, Product

NUM_NAMED = 5  # broken rows named in the error

# path below data/ → size, mtime in ns and SHA-256 when it was last read: a nightly check reads new files only
Seen = dict[str, tuple[int, int, str]]


def check_raw_data(workspace: Workspace) -> int:
    """Check `data/` against its own records.

    Returns:
        The number of products.

    Raises:
        MissingInputError: There is no `data/`.
        ValidationFailedError: A record or a file is not what it should be; names each, and why.
    """
    products = workspace.data / "products"
    if not products.is_dir():
        raise missing_data(workspace)
    memory = workspace.state / "raw_data_seen.json"
    before = _read(memory)
    seen: Seen = {}
    faults: list[str] = []
    folders = sorted(folder for folder in products.iterdir() if folder.is_dir())
    for folder in folders:
        faults += _faults(folder, workspace.data, before, seen)
    with suppress(StorageError):  # it only saves time
        atomic_write_text(memory, json.dumps(seen))
    if not folders:
        faults.append("data/products holds no product")
    if faults:
        more = f"; and {len(faults) - NUM_NAMED} more" if len(faults) > NUM_NAMED else ""
        raise ValidationFailedError(
            f"raw data: {len(faults)} faults in {len(folders)} products: {'; '.join(faults[:NUM_NAMED])}{more}",
            "delete the named products' folders below data/products and crawl again: `pvtt crawl`",
        )
    return len(folders)


def _read(memory: Path) -> Seen:
    """What was seen last time; nothing where the file is missing or damaged."""
    try:
        seen: Seen = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return seen


def missing_data(workspace: Workspace) -> MissingInputError:
    """The error for a checkout without its raw data."""
    return MissingInputError(
        f"{workspace.data} is missing: the raw data of this checkout",
        "fetch the version in data.dvc with `dvc pull`, or crawl a new one with `make run`",
    )


def _faults(folder: Path, data: Path, before: Seen, seen: Seen) -> Iterator[str]:
    name = folder.name
    try:
        product = Product.from_json((folder / PRODUCT_FILE).read_bytes())
    except FileNotFoundError:
        yield f"{name}: product.json is missing"
        return
    except ValidationError as error:
        yield f"{name}: product.json: {first_fault(error)}"
        return
    if product.product_id != name:
        yield f"{name}: product.json says product_id {product.product_id}"
    for media in (*product.videos, *product.photos):
        fault = _media_fault(media, folder, data, before, seen)
        if fault is not None:
            yield f"{name}: {media.path}: {fault}"


def _media_fault(media: MediaFile, folder: Path, data: Path, before: Seen, seen: Seen) -> str | None:
    path = data / media.path
    if not lies_within(path, folder):
        return "lies outside its product's folder"
    if not path.is_file():
        return "is missing"
    stat = path.stat()
    last = before.get(media.path)
    known = last is not None and (last[0], last[1]) == (stat.st_size, stat.st_mtime_ns)
    digest = last[2] if last is not None and known else sha256_file(path)
    seen[media.path] = (stat.st_size, stat.st_mtime_ns, digest)
    if digest != media.sha256:
        return f"has SHA-256 {digest[:12]}…, its record says {media.sha256[:12]}…"
    return None
