"""Products as crawled: `data/products/<product_id>/product.json` and the media beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pvtt.errors import MissingInputError
from pvtt.records.base import Record, parse_record, read_jsonl

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# The seeds' ids look like JEWE001. Ids become file names, so nothing else is let in.
PRODUCT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
ProductId = Annotated[str, StringConstraints(pattern=PRODUCT_ID_PATTERN)]
CLIP_ID_PATTERN = r"^[0-9]{3,5}$"
ClipId = Annotated[str, StringConstraints(pattern=CLIP_ID_PATTERN)]

SourceKind = Literal["shop", "feed", "folder"]
PRODUCT_FILE = "product.json"  # a product's record, in the folder of its id below data/products


class MediaFile(Record):
    """One downloaded file and where it came from."""

    path: str  # relative to data/, posix; named by content, never by the page
    url: str
    sha256: Sha256
    num_bytes: int = Field(ge=0)
    media_type: str  # as sniffed from the bytes, for example video/mp4
    retrieved_at: str  # ISO 8601, UTC
    license: str | None = None


class Product(Record):
    """A product and its media, one a `product.json`."""

    schema_version: Literal[1] = 1
    product_id: ProductId
    title: str
    category: str
    description: str = ""
    source: SourceKind
    page_url: str
    license: str | None = None
    retrieved_at: str
    videos: tuple[MediaFile, ...]
    photos: tuple[MediaFile, ...]


def read_catalog(data: Path) -> dict[str, Product]:
    """All products under `data/products` by id, in the ids' order.

    Raises:
        PvttError: A `product.json` is damaged or of another version; names the file and the field.
    """
    products = [
        parse_record(
            Product,
            path.read_bytes(),
            path,
            "restore data/ with `dvc checkout data.dvc`, or delete this product's directory and crawl again",
        )
        for path in data.glob(f"products/*/{PRODUCT_FILE}")
    ]
    return {product.product_id: product for product in sorted(products, key=lambda product: product.product_id)}


def read_products(data: Path) -> list[Product]:
    """The products of `read_catalog`, of which there must be one.

    Raises:
        MissingInputError: There are none.
        PvttError: As `read_catalog`.
    """
    products = list(read_catalog(data).values())
    if not products:
        raise MissingInputError(
            f"{data} holds no products", "fetch the data with `dvc pull`, or crawl the sample shop with `make run`"
        )
    return products


REJECTS_FILE = "rejects.jsonl"  # in a stage's output directory and in data/: a `Reject` a line


class Reject(Record):
    """Something the pipeline turned away, and why. One a line in a stage's `rejects.jsonl`."""

    schema_version: Literal[1] = 1
    stage: str
    item: str  # the item's key in its stage, for example JEWE001/videos/ab12….mp4#2
    product_id: str | None = None
    reason: str  # a code of snake_case words, for example too_short
    message: str  # one line for a person
    failed: bool = False  # True: an error (counts against max_failed_fraction); False: off-spec


def read_rejects(folders: Iterable[Path]) -> tuple[Reject, ...]:
    """The rejects of all folders that have any, in the folders' order.

    Raises:
        PvttError: A line is no `Reject`.
    """
    files = [folder / REJECTS_FILE for folder in folders]
    return tuple(reject for file in files if file.is_file() for reject in read_jsonl(file, Reject))
