"""What the trainings of wan-tiny keep on disk as they go."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pvtt.files.atomic import atomic_path


def save_state(path: Path, state: Any) -> None:
    """Write tensors that a later step continues from. Raises `StorageError`."""
    import torch

    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def write_log(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a training's log as CSV. Raises `StorageError`."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
