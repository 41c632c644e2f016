"""The base of every record, and JSON Lines on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pvtt.errors import PvttError
from pvtt.files.append import read_lines
from pvtt.files.atomic import atomic_write_text
from pvtt.files.workspace import require_output


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
ModelT = TypeVar("ModelT", bound=BaseModel)


def faults_of(error: ValidationError) -> list[str]:
    """What is wrong with a record, each `field: what`, or `what` alone where no one field is to blame."""
    faults = []
    for fault in error.errors():
        field = ".".join(str(part) for part in fault["loc"])
        faults.append(f"{field}: {fault['msg']}" if field else fault["msg"])
    return faults


def first_fault(error: ValidationError) -> str:
    """The first of `faults_of`."""
    return faults_of(error)[0]


def parse_record(kind: type[ModelT], text: str | bytes, source: Path | str, hint: str) -> ModelT:
    """Parse one record from JSON.

    Args:
        kind: The class of the record.
        text: The record as JSON.
        source: Where it was read, for the message: a file, or a file and a line.
        hint: What to do about text that is no such record.

    Raises:
        PvttError: It is not a record of this kind; names the source and the field.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise PvttError(f"{source}: not a {kind.__name__}: {first_fault(error)}", hint) from None


def read_output(path: Path, kind: type[ModelT], stage: str) -> ModelT:
    """Read a JSON file that a stage writes.

    Raises:
        MissingInputError: There is no such file; says how to run the stage.
        PvttError: It is not a record of this kind.
    """
    return parse_record(
        kind, require_output(path, stage).read_bytes(), path, f"run `dvc repro {stage}` to make it again"
    )


def read_output_jsonl(path: Path, kind: type[RecordT], stage: str) -> list[RecordT]:
    """All records of a JSON Lines file that a stage writes. Raises as `read_output`."""
    return read_jsonl(require_output(path, stage), kind)


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Write `records` to `path`, one a line, atomically."""
    atomic_write_text(path, "".join(record.to_json() + "\n" for record in records))


def iter_jsonl(path: Path, kind: type[RecordT]) -> Iterator[RecordT]:
    """Yield the records of a JSON Lines file.

    Raises:
        PvttError: A line is not a record of this kind; names the file, line and field.
    """
    with path.open(encoding="utf-8") as lines:
        yield from _parse_lines(lines, path, kind, "run `dvc repro` to make it again")


def read_jsonl(path: Path, kind: type[RecordT]) -> list[RecordT]:
    """All records of a JSON Lines file, in order. Raises as `iter_jsonl`."""
    return list(iter_jsonl(path, kind))


def read_appended(path: Path, kind: type[ModelT]) -> list[ModelT]:
    """All records of a file that `append_line` adds to, in order, without a torn tail; empty where there is none.

    Raises:
        PvttError: A line is not a record of this kind; names the file, line and field.
    """
    return list(_parse_lines(read_lines(path), path, kind, "mend that line by hand: no stage makes this file again"))


def _parse_lines(lines: Iterable[str | bytes], path: Path, kind: type[ModelT], remedy: str) -> Iterator[ModelT]:
    hint = f"the file was written by another version or by hand: {remedy}"
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield parse_record(kind, line, f"{path}:{number}", hint)
