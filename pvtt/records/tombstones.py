"""What a person took out of the raw data for good: `data/tombstones.jsonl`, which is versioned with them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pvtt.records.base import Record, parse_record
from pvtt.records.catalog import ProductId, Sha256

TOMBSTONES_FILE = "tombstones.jsonl"  # in data/: a `Tombstone` a line, sorted


class Tombstone(Record):
    """A product, or one file of a product, that no crawl brings back."""

    schema_version: Literal[1] = 1
    product_id: ProductId
    page_url: str  # the product's
    path: str | None = None  # of the file, relative to data/; None: the whole product
    sha256s: tuple[Sha256, ...]  # the file's; or the product's, but for those that another product has too
    reason: str  # in a person's words
    forgotten_at: str  # ISO 8601, UTC

    @property
    def name(self) -> str:
        """What a person calls it: the product's id, or the file's path."""
        return self.path or self.product_id


def read_tombstones(data: Path) -> list[Tombstone]:
    """All tombstones of `data/`; none where there is no such file.

    Raises:
        PvttError: A line is no `Tombstone`; names it.
    """
    path = data / TOMBSTONES_FILE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    hint = "mend that line, or restore the file with `dvc checkout data.dvc`: without it forgotten products come back"
    return [parse_record(Tombstone, line, f"{path}:{number}", hint) for number, line in enumerate(lines, 1) if line]
