"""The base of every record, and JSON Lines on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_write_text


class Record(BaseModel):
    """A frozen record. Unknown fields are errors, so that a newer record is never half read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_inf_nan="null")

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse one record. Raises `pydantic.ValidationError`."""
        return cls.model_validate_json(text)

    def to_json(self, indent: int | None = None) -> str:
        """Serialise with the fields in their declared order, so that equal records are equal bytes."""
        return self.model_dump_json(indent=indent)


RecordT = TypeVar("RecordT", bound=Record)


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Write `records` to `path`, one a line, atomically."""
    atomic_write_text(path, "".join(record.to_json() + "\n" for record in records))


def iter_jsonl(path: Path, kind: type[RecordT]) -> Iterator[RecordT]:
    """Yield the records of a JSON Lines file.

    Raises:
        PvttError: A line is not a record of this kind; names the file, line and field.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield kind.from_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise PvttError(
                    f"{path}:{number}: not a {kind.__name__}: {where}: {first['msg']}",
                    "the file was written by another version or by hand: run `dvc repro` to make it again",
                ) from None


def read_jsonl(path: Path, kind: type[RecordT]) -> list[RecordT]:
    """All records of a JSON Lines file, in order. Raises as `iter_jsonl`."""
    return list(iter_jsonl(path, kind))
