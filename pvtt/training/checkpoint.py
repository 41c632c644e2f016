"""A training's whole state on disk: after a kill at any moment, it continues as if nothing had happened.

    .pvtt/checkpoints/<stage>/<key>-<step>.pt    weights · EMA · optimizer · schedule · position · RNG states · history

`key` is a hash of everything that the result depends on, so a checkpoint of other params, data, base or code is never
resumed. Files appear by a rename, so a reader finds a whole one or none.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pvtt.errors import first_line
from pvtt.files.atomic import atomic_path
from pvtt.files.storage import raise_storage_fault, storage_errors

KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` optimizer steps.

    Args:
        step: Training steps done.
        position: The next position of the sample sequence.
        weights: Trainable parameters by name. The others never change.
        ema: State of diffusers' `EMAModel`.
        optimizer: The optimizer's state dict.
        schedule: State dict of the learning-rate schedule.
        rng: As `rng_state` returns it.
        history: Rows of `loss.csv` so far.
        held_out: Rows of `validation.csv` so far.
        machine: What exactness depends on besides the key, for a note where it differs.
    """

    step: int
    position: int
    weights: dict[str, Tensor]
    ema: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    rng: dict[str, Any]
    history: list[dict[str, float]]
    held_out: list[dict[str, float]]
    machine: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one stage.

    Args:
        folder: The directory of the checkpoint files.
        key: Of the training that they belong to, as `training_key` makes it.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._prefix = key[:16]

    def _path(self, step: int) -> Path:
        return self._folder / f"{self._prefix}-{step:08d}.pt"

    def steps(self) -> list[int]:
        """The steps at which this training has checkpoints, ascending."""
        pattern = re.compile(rf"{self._prefix}-(\d+)\.pt")
        return sorted(int(match[1]) for path in self._folder.glob("*.pt") if (match := pattern.fullmatch(path.name)))

    @property
    def pictures(self) -> Path:
        """Where this training's pictures wait for its end."""
        return self._folder / f"{self._prefix}-samples"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and drop the oldest beyond `KEEP`. Raises `StorageError`."""
        # Through Python's file: PyTorch's own loses the number of the system's error.
        with atomic_path(self._path(checkpoint.step)) as temporary, temporary.open("wb") as file:
            torch.save(asdict_shallow(checkpoint), file)
        for step in self.steps()[:-KEEP]:
            with storage_errors(self._path(step)):
                self._path(step).unlink()

    def load_latest(self) -> Checkpoint | None:
        """The newest readable checkpoint of this training; None where there is none."""
        for step in reversed(self.steps()):
            path = self._path(step)
            try:
                with path.open("rb") as file:
                    return Checkpoint(**torch.load(file, map_location="cpu", weights_only=True))
            except Exception as error:  # torch.load raises many kinds; a damaged file costs some steps, no more
                raise_storage_fault(error, path)
                print(f"{path} cannot be read and is ignored: {first_line(error)}", file=sys.stderr)
        return None

    def clear(self) -> None:
        """Remove all of the stage's checkpoints and pictures, those of other trainings too: the stage is done."""
        shutil.rmtree(self._folder, ignore_errors=True)


def asdict_shallow(checkpoint: Checkpoint) -> dict[str, Any]:
    """The fields, without `dataclasses.asdict`'s copy of every tensor."""
    return {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}


def rng_state() -> dict[str, Any]:
    """The states of Python's, NumPy's and PyTorch's generators, in types that `torch.load` lets through."""
    version, internal, gauss = random.getstate()
    name, keys, pos, has_gauss, cached = np.random.get_state(legacy=True)
    assert isinstance(keys, np.ndarray)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), pos, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Restore what `rng_state` returned."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, pos, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), pos, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
