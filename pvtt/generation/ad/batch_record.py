"""`batch.json`: what came out of every product in every template."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pvtt.files.storage import raise_storage_fault
from pvtt.generation.ad.record import AdRecord
from pvtt.records.base import Record

Status = Literal["waiting", "planned", "made", "kept", "failed"]


class BatchRow(Record):
    """One product in one template."""

    template: str
    product: str
    status: Status  # `kept`: an earlier run made it; `planned`: a dry run would make it
    reason: str = ""  # why it failed, as a code
    message: str = ""  # the same for a person
    shots: tuple[int, ...] = ()  # generated in, numbers from 1
    num_shots: int = 0
    windows: int = 0  # generated
    seconds: float | None = None  # of film
    minutes: float | None = None  # that the run took which made it
    warnings: tuple[str, ...] = ()
    file: str | None = None  # the film, or a preview's contact sheet; below the folder of the batch

    def with_ad(self, record: AdRecord, status: Status, minutes: float | None) -> BatchRow:
        """The row of an ad that is there, or planned."""
        ending = {"planned": None, "made": ".mp4", "kept": ".mp4"}.get(status)
        if ending and record.preview:
            ending = ".png"
        return self.model_copy(
            update={
                "status": status,
                "shots": tuple(shot.number for shot in record.shots if shot.generated),
                "num_shots": len(record.shots),
                "windows": record.num_windows,
                "seconds": record.duration_s,
                "minutes": minutes,
                "warnings": (*self.warnings, *record.warnings),
                "file": f"{self.template}/{self.product}{ending}" if ending else None,
            }
        )


class BatchRecord(Record):
    """Every product in every template, in this order: the first template's products, the second's, …"""

    schema_version: Literal[1] = 1
    templates: tuple[str, ...]
    products: tuple[str, ...]
    preview: bool
    rows: tuple[BatchRow, ...]

    @property
    def failed(self) -> tuple[BatchRow, ...]:
        """The rows without an ad."""
        return tuple(row for row in self.rows if row.status == "failed")


def read_minutes(path: Path) -> dict[tuple[str, str], float]:
    """How long the ads of an earlier batch took, by template and product; nothing where its record cannot be read."""
    try:
        rows = BatchRecord.from_json(path.read_bytes()).rows
    except (OSError, ValidationError) as error:
        raise_storage_fault(error, path)
        return {}
    return {(row.template, row.product): row.minutes for row in rows if row.minutes is not None}
