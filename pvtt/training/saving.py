"""A training's checkpoints, of one process or of several."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pvtt.training.checkpoint import Checkpoint, CheckpointStore
from pvtt.training.processes import Processes
from pvtt.training.state import TrainedState

if TYPE_CHECKING:
    from pvtt.training.sharded_checkpoint import ShardedCheckpoints


class Saver:
    """Saves and loads in the way that fits the number of processes. All must call its methods, in the same order.

    Args:
        store: Where the checkpoints are.
        processes: Those that train.
        state: What they train.
    """

    def __init__(self, store: CheckpointStore, processes: Processes, state: TrainedState) -> None:
        self._store = store
        self._processes = processes
        self._state = state

    @cached_property
    def _sharded(self) -> ShardedCheckpoints:
        from pvtt.training.sharded_checkpoint import ShardedCheckpoints  # takes a while, for one process in vain

        return ShardedCheckpoints(self._store, self._processes)

    def save(self, **fields: Any) -> None:
        """Save a checkpoint of these fields and the state; several processes only begin to. Raises `StorageError`."""
        if self._processes.count == 1:
            self._store.save(Checkpoint(**fields, **self._state.whole()))
        else:
            self._sharded.save(Checkpoint(**fields, **self._state.rest()), self._state.tensors())

    def wait(self) -> None:
        """Until the last checkpoint is there. Raises `StorageError`."""
        if self._processes.count > 1:
            self._sharded.wait()

    def load(self) -> Checkpoint | None:
        """The newest that is whole, however many processes wrote it, taken into the state; None where there is none."""
        for step in self._processes.from_main(self._store.steps()[::-1]):
            checkpoint = self._load_sharded(step) if self._store.is_sharded(step) else self._load_whole(step)
            if checkpoint is not None:
                return checkpoint
        return None

    def _load_whole(self, step: int) -> Checkpoint | None:
        checkpoint = self._store.load(step)
        if checkpoint is not None:
            self._state.restore_whole(checkpoint.weights, checkpoint.ema, checkpoint.optimizer)
        return checkpoint

    def _load_sharded(self, step: int) -> Checkpoint | None:
        checkpoint = self._sharded.read(step)
        if checkpoint is not None:
            room = self._state.room_for(self._sharded.sizes(step))
            self._sharded.load_into(step, room)
            self._state.restore_read(room, checkpoint.ema, checkpoint.optimizer)
        return checkpoint
