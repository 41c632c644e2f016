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
from pvtt.crawl.publish import local_url
from pvtt.errors import MissingInputError, PvttError
from pvtt.records.base import first_fault

SEPARATOR = "|"  # between the media of a CSV cell
LIST_FIELDS = ("videos", "photos")


class FeedRow(BaseModel):
    """One row. Other columns, such as prices, are passed over."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    product_id: str = Field(min_length=1)
    title: str = Field(min_length=1)
    category: str = UNCATEGORISED
    description: str = ""
    license: str | None = None
    videos: list[str]
    photos: list[str] = []


def read_feed(path: Path) -> list[ProductDraft]:
    """The products of a feed.

    Raises:
        MissingInputError: There is no such file.
        PvttError: It is neither `.jsonl` nor `.csv`, or a row is invalid; names the line and field.
    """
    if not path.is_file():
        raise MissingInputError(f"crawl.start: there is no feed {path}", "give a .jsonl or .csv file with --start")
    readers = {".jsonl": _json_rows, ".csv": _csv_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PvttError(f"{path}: a feed is a .jsonl or .csv file", "rename it if it is one, or export it as one")
    drafts = []
    lines: dict[str, int] = {}
    for line, data in reader(path):
        try:
            row = FeedRow.model_validate(data)
        except ValidationError as error:
            raise _invalid(path, line, first_fault(error)) from None
        if row.product_id in lines:
            raise _invalid(path, line, f"product_id: {row.product_id!r} is on line {lines[row.product_id]} too")
        lines[row.product_id] = line
        drafts.append(
            ProductDraft(
                product_id=product_id_of(row.product_id),
                title=row.title,
                category=row.category or UNCATEGORISED,
                description=row.description,
                page_url=local_url("feed", path, row.product_id),
                license=row.license,
                videos=_refs(row.videos),
                photos=_refs(row.photos),
            )
        )
    return drafts


def _refs(urls: list[str]) -> tuple[MediaRef, ...]:
    return tuple(MediaRef(url=url) for url in dict.fromkeys(url.strip() for url in urls) if url)


def _invalid(path: Path, line: int, what: str) -> PvttError:
    return PvttError(f"{path}:{line}: not a feed row: {what}", "correct this line; docs/crawl.md lists the fields")


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise _invalid(path, number, f"not JSON: {error}") from None


def _csv_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            line = 1
            try:
                for row in rows:
                    line = rows.line_num
                    if None in row or None in row.values():
                        raise _invalid(
                            path, line, f"it has not {len(rows.fieldnames or [])} columns, as the first line says"
                        )
                    cells: dict[str, Any] = {name: value for name, value in row.items() if value != ""}
                    for name in LIST_FIELDS:
                        if name in row:
                            cells[name] = row[name].split(SEPARATOR)
                    yield line, cells
            except csv.Error as error:
                raise _invalid(path, line + 1, str(error)) from None
    except UnicodeDecodeError as error:
        raise PvttError(
            f"{path}: not UTF-8 text: {error.reason} at byte {error.start}", "save the feed as UTF-8"
        ) from None
