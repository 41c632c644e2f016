"""A partner's feed as a source: JSON Lines or delimited text, one product a row, media as URLs or paths.

product_id,title,category,videos,photos
JEWE001,Gold ring,ring,https://cdn.example/1.mp4,photos/1a.jpg|photos/1b.jpg
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pvtt.crawl.decode import page_text
from pvtt.crawl.drafts import UNCATEGORISED, MediaRef, ProductDraft, product_id_of
from pvtt.crawl.origin import local_url
from pvtt.crawl.publish import STAGE
from pvtt.errors import MissingInputError, PvttError
from pvtt.params.crawl import FeedField
from pvtt.records.base import first_fault
from pvtt.records.catalog import Reject

SEPARATOR = "|"  # between the media of a cell; a comma where it stands between the cells
DELIMITERS = (",", ";", "\t", "|")
LIST_FIELDS = ("videos", "photos")
REQUIRED = ("product_id", "title", "videos")
MAX_CELL = 1_000_000  # characters

Columns = Mapping[FeedField, str | tuple[str, ...]]


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


def read_feed(path: Path, columns: Columns | None = None) -> tuple[list[ProductDraft], list[Reject]]:
    """The products of a feed, and the rows that are none, which may be right the next time.

    Args:
        path: A `.jsonl` file, or one of delimited text; UTF-8, UTF-16 or GB18030.
        columns: A field of `FeedRow` → what the feed calls it, or several columns whose media make a list.

    Raises:
        MissingInputError: There is no such file.
        RowError: No row is a product; names the first row's line and field.
        PvttError: It is no such file by its name, no text, or has no column for a required field.
    """
    if not path.is_file():
        raise MissingInputError(f"crawl.start: there is no feed {path}", "give a .jsonl or .csv file with --start")
    readers = {".jsonl": _json_rows, ".ndjson": _json_rows, ".csv": _csv_rows, ".tsv": _csv_rows, ".txt": _csv_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PvttError(f"{path}: a feed is a .jsonl or .csv file", "rename it if it is one, or export it as one")
    text = page_text(path.read_bytes())
    if "\ufffd" in text:
        raise PvttError(f"{path}: its text cannot be decoded", "save the feed as UTF-8")
    drafts: list[ProductDraft] = []
    faults: list[RowError] = []
    lines: dict[str, int] = {}
    for line, data in reader(path, text, columns or {}):
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


def _json_rows(path: Path, text: str, columns: Columns) -> Iterator[tuple[int, Any]]:
    """Lines with what they hold, or with what is wrong with them."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, RowError(path, number, f"not JSON: {error}")
            continue
        yield number, _renamed(row, columns) if isinstance(row, dict) and columns else row


def _renamed(row: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """A row under our own names. Several columns make a list, and so does one medium."""
    renamed = dict(row)
    for field, names in columns.items():
        values = [row[name] for name in ((names,) if isinstance(names, str) else names) if row.get(name) is not None]
        if field in LIST_FIELDS:
            renamed[field] = [one for value in values for one in (value if isinstance(value, list) else [value])]
        elif values:
            renamed[field] = values[0]
    return renamed


def _csv_rows(path: Path, text: str, columns: Columns) -> Iterator[tuple[int, Any]]:
    """Rows with what they hold, or with what is wrong with them.

    Raises:
        PvttError: The first line names no column for a required field.
    """
    csv.field_size_limit(MAX_CELL)
    header = text.partition("\n")[0].strip("\r")
    delimiter = max(DELIMITERS, key=lambda one: _num_known(header, one, columns))
    rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        names = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise RowError(path, 1, str(error)) from None
    fields = {field: _columns_of(field, names, columns) for field in FeedRow.model_fields}
    missing = [field for field in REQUIRED if not fields[field]]
    if missing:
        raise PvttError(
            f"{path}: no column is called {' or '.join(missing)}; its columns are {', '.join(names) or 'none'}",
            f"name it in params.yaml, such as crawl.columns: {{{missing[0]}: {names[0] if names else 'id'}}}",
        )
    separator = "," if delimiter == SEPARATOR else SEPARATOR
    while True:
        line = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield line, RowError(path, line, str(error))
            continue
        if cells is None:
            return
        if not cells:
            continue
        row: dict[str, Any] = {}
        for field, places in fields.items():
            found = [cells[place] for place in places if place < len(cells) and cells[place] != ""]
            if field in LIST_FIELDS:
                row[field] = [one for cell in found for one in cell.split(separator)]
            elif found:
                row[field] = found[0]
        if len(cells) != len(names):
            what = f"it has not {len(names)} columns, as the first line says"
            yield rows.line_num, RowError(path, rows.line_num, what, _product_id(row))
        else:
            yield rows.line_num, row


def _num_known(header: str, delimiter: str, columns: Columns) -> int:
    """How many of our fields a header names, read with a delimiter."""
    try:
        names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return 0
    return sum(len(_columns_of(field, names, columns)) for field in FeedRow.model_fields)


def _columns_of(field: str, names: list[str], columns: Columns) -> list[int]:
    """Where a header names a field, in any case."""
    wanted = columns.get(field, field)  # type: ignore[call-overload]
    folded = [name.casefold() for name in names]
    keys = [one.strip().casefold() for one in ((wanted,) if isinstance(wanted, str) else wanted)]
    return [folded.index(key) for key in keys if key in folded]
