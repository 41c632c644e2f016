"""What one process leaves for another in a file: how far it is, and why it failed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pvtt.errors import StorageError
from pvtt.files.atomic import atomic_write_text
from pvtt.records.base import Record, RecordT

# Where a `pvtt` command leaves its `Failure`: a file that whoever starts the command names, so that what is found
# there is of that command and no other.
FAILURE_FILE = "PVTT_FAILURE_FILE"


class ProgressState(Record):
    """How far a stage is, in `.pvtt/progress/<stage>.json`."""

    stage: str
    done: int
    total: int
    unit: str  # what is counted, in the plural
    note: str  # for example `loss 0.41`
    started_at: str  # UTC, ISO 8601
    elapsed_s: float
    eta_s: float | None  # seconds left; None before anything is done


class Failure(Record):
    """Why a `pvtt` command ended with an error. One that a signal killed leaves none."""

    exit_code: int
    message: str  # one line: what was wrong and where
    hint: str | None = None  # one line: what to do about it


def leave_failure(failure: Failure) -> None:
    """Write a command's failure where `PVTT_FAILURE_FILE` says, if anybody asks for it."""
    if path := os.environ.get(FAILURE_FILE):
        with suppress(StorageError):  # the command's own error is the one to tell of
            atomic_write_text(Path(path), failure.to_json())


def read_left(path: Path, kind: type[RecordT]) -> RecordT | None:
    """The record that another process left; None where there is none."""
    try:
        return kind.from_json(path.read_bytes())
    except FileNotFoundError:
        return None
