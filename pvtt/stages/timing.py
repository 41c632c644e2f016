"""How long a stage took in this clone, and on which machine: `.pvtt/timings/<stage>.json`.

No output of DVC holds a time, so that equal runs are equal bytes. A note counts only for the outputs that it was
written beside: what DVC has brought from elsewhere since has no time here.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from pvtt.files.atomic import atomic_write_text
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.records.base import Record
from pvtt.records.catalog import Sha256

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.stages.stage import Stage

LARGE = 8 * 2**20  # bytes; larger files are known by their size


class StageTiming(Record):
    """The last time that a stage came to its end."""

    stage: str
    started_at: str  # UTC, ISO 8601
    seconds: float = Field(ge=0)  # of this command alone; what an earlier one that was killed had done is not in it
    machine: str
    place: str  # PVTT_DISPATCH
    outcome: Sha256  # of what the stage left


def note_timing(workspace: Workspace, stage: Stage, started: float, seconds: float) -> None:
    """Note a stage that has come to its end.

    Args:
        workspace: Where.
        stage: Which.
        started: Seconds since the epoch.
        seconds: That it took.

    Raises:
        StorageError: The disk fails.
    """
    timing = StageTiming(
        stage=stage.name,
        started_at=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        seconds=round(max(seconds, 0.0), 1),
        machine=describe_machine(),
        place=os.environ.get("PVTT_DISPATCH") or "local",
        outcome=outcome_of(workspace, stage),
    )
    atomic_write_text(_file(workspace, stage), timing.to_json(indent=1) + "\n")


def read_timing(workspace: Workspace, stage: Stage) -> StageTiming | None:
    """The note of what the stage left and what is still there; None where there is none."""
    try:
        timing = StageTiming.from_json(_file(workspace, stage).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return timing if timing.outcome == outcome_of(workspace, stage) else None


def outcome_of(workspace: Workspace, stage: Stage) -> str:
    """A hash of the files that a stage leaves, those in folders of its folders aside: they are listed in these."""
    files: list[Path] = []
    for name in (*stage.writes, *stage.metrics):
        path = workspace.root / name
        files += sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    return sha256_json([[path.relative_to(workspace.root).as_posix(), _content(path)] for path in files])


def _content(path: Path) -> str | int | None:
    try:
        size = path.stat().st_size
        return size if size > LARGE else sha256_file(path)
    except FileNotFoundError:
        return None


def _file(workspace: Workspace, stage: Stage) -> Path:
    return workspace.state / "timings" / f"{stage.name}.json"


def describe_machine() -> str:
    """Its processor, its cores that this process may use, and its GPUs: `2 cores of Intel Xeon, NVIDIA H100`."""
    gpus = [_line(path, "Model") for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]
    processor = _line(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ", ".join([f"{cores} core{'s' if cores > 1 else ''} of {processor}", *filter(None, gpus)])


def _line(path: Path, name: str) -> str | None:
    """The value of the first line `name: value` of a file of the system; None where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next(
        (value.strip() for line in lines for key, _, value in [line.partition(":")] if key.strip() == name), None
    )
