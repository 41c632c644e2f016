"""A partner's feed as a source: JSON Lines or CSV, one product a row, media as URLs or paths.

product_id,title,category,videos,photos
JEWE001,Gold ring,ring,https://cdn.example/1.mp4,photos/1a.jpg|photos/1b.jpg
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pvtt.crawl.drafts import UNCATEGORISED, MediaRef, ProductDraft, product_id_of
from pvtt.crawl.publish import STAGE, local_url
from pvtt.errors import MissingInputError, PvttError
from pvtt.records.base import first_fault
from pvtt.records.catalog import Reject

SEPARATOR = "|"  # between the media of a CSV cell
LIST_FIELDS = ("videos", "photos")


class FeedRow(BaseModel):
    """One row. Other columns, such as prices, are passed over."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    product_id: str = Field(min_length=1)
    title: str = Field(min_length=1)
    category: str | None = None
    description: str | None = None
    license: str | None = None
    videos: list[str]
    photos: list[str] | None = None


class RowError(PvttError):
    """A row that is no product.

    Args:
        path: Of the feed.
        line: Its number, from 1.
        what: What is wrong with it.
        product_id: Its product, where it says so.
    """

    def __init__(self, path: Path, line: int, what: str, product_id: str | None = None) -> None:
        super().__init__(f"{path}:{line}: not a feed row: {what}", "correct this line; docs/crawl.md lists the fields")
        self.item = f"{path.name}:{line}"
        self.what = what
        self.product_id = product_id


def read_feed(path: Path) -> tuple[list[ProductDraft], list[Reject]]:
    """The products of a feed, and the rows that are none, which may be right the next time.

    Raises:
        MissingInputError: There is no such file.
        RowError: No row is a product; names the first row's line and field.
        PvttError: It is neither `.jsonl` nor `.csv`, or no text of rows.
    """
    if not path.is_file():
        raise MissingInputError(f"crawl.start: there is no feed {path}", "give a .jsonl or .csv file with --start")
    readers = {".jsonl": _json_rows, ".csv": _csv_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PvttError(f"{path}: a feed is a .jsonl or .csv file", "rename it if it is one, or export it as one")
    drafts: list[ProductDraft] = []
    faults: list[RowError] = []
    lines: dict[str, int] = {}
    for line, data in reader(path):
        try:
            drafts.append(_draft(path, line, data, lines))
        except RowError as fault:
            faults.append(fault)
    if faults and not drafts:
        raise faults[0]
    return drafts, [
        Reject(stage=STAGE, item=one.item, product_id=one.product_id, reason="bad_row", message=one.what, failed=True)
        for one in faults
    ]


def _draft(path: Path, line: int, data: Any, lines: dict[str, int]) -> ProductDraft:
    """A row's product; `lines` holds those of the rows before. Raises `RowError`."""
    if isinstance(data, RowError):
        raise data
    try:
        row = FeedRow.model_validate(data)
    except ValidationError as error:
        raise RowError(path, line, first_fault(error), _product_id(data)) from None
    if row.product_id in lines:
        first = lines[row.product_id]
        raise RowError(
            path, line, f"product_id: {row.product_id!r} is on line {first} too", product_id_of(row.product_id)
        )
    lines[row.product_id] = line
    return ProductDraft(
        product_id=product_id_of(row.product_id),
        title=row.title,
        category=row.category or UNCATEGORISED,
        description=row.description or "",
        page_url=local_url("feed", path, row.product_id),
        license=row.license,
        videos=_refs(row.videos),
        photos=_refs(row.photos or []),
    )


def _product_id(data: Any) -> str | None:
    """What a row that is wrong elsewhere calls its product."""
    found = data.get("product_id") if isinstance(data, dict) else None
    return product_id_of(str(found)) if isinstance(found, str | int) and str(found) else None


def _refs(urls: list[str]) -> tuple[MediaRef, ...]:
    return tuple(MediaRef(url=url) for url in dict.fromkeys(url.strip() for url in urls) if url)


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Lines with what they hold, or with what is wrong with them."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except ValueError as error:
                yield number, RowError(path, number, f"not JSON: {error}")


def _csv_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            line = 1
            try:
                for row in rows:
                    line = rows.line_num
                    if None in row or None in row.values():
                        what = f"it has not {len(rows.fieldnames or [])} columns, as the first line says"
                        yield line, RowError(path, line, what, _product_id(row))
                        continue
                    cells: dict[str, Any] = {name: value for name, value in row.items() if value != ""}
                    for name in LIST_FIELDS:
                        if name in row:
                            cells[name] = row[name].split(SEPARATOR)
                    yield line, cells
            except csv.Error as error:
                raise RowError(path, line + 1, str(error)) from None  # where the next row begins is not known
    except UnicodeDecodeError as error:
        raise PvttError(
            f"{path}: not UTF-8 text: {error.reason} at byte {error.start}", "save the feed as UTF-8"
        ) from None
