"""A training's whole state on disk: after a kill at any moment, it continues as if nothing had happened.

    .pvtt/checkpoints/<stage>/<key>-<step>.pt    weights · EMA · optimizer · schedule · position · RNG states · history
    .pvtt/checkpoints/<stage>/<key>-<step>/      the same of several processes, in shards: sharded_checkpoint.py
    .pvtt/checkpoints/<stage>/<key>.json         what the key is of

`key` is a hash of everything that the result depends on, so a checkpoint of other params, data, base or code is never
resumed. Files and folders appear by a rename, so a reader finds a whole one or none. The last two are kept, and the one
with the best validation loss.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pvtt.errors import first_line
from pvtt.files.atomic import atomic_path, atomic_write_text, remove, sweep_temporaries
from pvtt.files.storage import raise_storage_fault

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
        self.key = key
        self._folder = folder
        self._prefix = key[:16]

    def path(self, step: int, *, sharded: bool = False) -> Path:
        """Where the checkpoint of a step is, or will be."""
        folder = self._folder / f"{self._prefix}-{step:08d}"
        return folder if sharded else folder.with_suffix(".pt")

    def is_sharded(self, step: int) -> bool:
        """Whether the checkpoint of a step is one of several processes."""
        return not self.path(step).is_file()

    def steps(self) -> list[int]:
        """The steps at which this training has checkpoints, ascending."""
        pattern = re.compile(rf"{self._prefix}-(\d+)(\.pt)?")
        matches = (pattern.fullmatch(path.name) for path in self._folder.glob(f"{self._prefix}-*"))
        return sorted({int(match[1]) for match in matches if match})

    def explain(self, parts: Mapping[str, Any]) -> str | None:
        """Note what this training's key is of. Returns what differs from the last training that left checkpoints here
        and cannot be continued; None where there is none, or this one has checkpoints of its own.

        Raises:
            StorageError: The note could not be written.
        """
        mine = self._folder / f"{self._prefix}.json"
        others = {path: path.stat().st_mtime for path in self._folder.glob("*.json") if path != mine}
        left = [path for path in others if CheckpointStore(self._folder, path.stem).steps()]
        atomic_write_text(mine, json.dumps(parts, indent=1) + "\n")
        if self.steps() or not left:
            return None
        try:
            before = json.loads(max(left, key=lambda path: others[path]).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        names = [name for name in {**before, **parts} if before.get(name) != parts.get(name)]
        return ", ".join(_difference(name, before.get(name), parts.get(name)) for name in names)

    def sweep(self) -> None:
        """Delete what a killed training left half written. Nothing else writes here while a training runs."""
        sweep_temporaries(self._folder, older_than_s=0)

    @property
    def pictures(self) -> Path:
        """Where this training's pictures wait for its end."""
        return self._folder / f"{self._prefix}-samples"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and drop those that are not kept. Raises `StorageError`."""
        # Through Python's file: PyTorch's own loses the number of the system's error.
        with atomic_path(self.path(checkpoint.step)) as temporary, temporary.open("wb") as file:
            torch.save(asdict_shallow(checkpoint), file)
        self.prune(checkpoint.held_out)

    def prune(self, held_out: Sequence[Mapping[str, float]]) -> None:
        """Drop all but the last `KEEP` and the one with the best of the validation losses. Raises `StorageError`."""
        steps = self.steps()
        losses = validation_losses(held_out)
        validated = [step for step in steps if step in losses]
        best = min(validated, key=lambda step: losses[step], default=None)
        for step in steps[:-KEEP]:
            if step != best:
                for sharded in (False, True):
                    remove(self.path(step, sharded=sharded))

    def load_latest(self) -> Checkpoint | None:
        """The newest readable checkpoint of this training; None where there is none."""
        for step in reversed(self.steps()):
            checkpoint = None if self.is_sharded(step) else self.load(step)
            if checkpoint is not None:
                return checkpoint
        return None

    def load(self, step: int) -> Checkpoint | None:
        """The checkpoint of a step that one process wrote; None if it is damaged, which is said."""
        path = self.path(step)
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


def _difference(name: str, before: Any, now: Any) -> str:
    """What a changed part of the key was and is; hashes say nothing to a person."""
    if any(isinstance(value, str) and len(value) == 64 for value in (before, now)):
        return name
    return f"{name} (was {json.dumps(before)}, is {json.dumps(now)})"


def validation_losses(held_out: Sequence[Mapping[str, float]]) -> dict[int, float]:
    """The mean over noise levels of each validation, by its step, from rows of `validation.csv`."""
    by_step: dict[int, list[float]] = {}
    for row in held_out:
        by_step.setdefault(int(row["step"]), []).append(row["loss"])
    return {step: sum(values) / len(values) for step, values in by_step.items()}


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
