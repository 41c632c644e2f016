"""The checkpoints of several processes, with PyTorch's distributed checkpoints (DCP): each writes and reads its share.

    <key>-<step>/__<rank>_0.distcp    tensors, what all have from one of them
                 .metadata            DCP's: which tensor is where
                 state.pt             a `Checkpoint` without tensors
                 files.json           each file's SHA-256

Any number of processes reads what any other number wrote. While the training goes on, a thread writes the copy of the
shard that was taken in the host's memory; only then the folder gets its name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from pvtt.errors import PvttError, first_line
from pvtt.files.atomic import atomic_directory, atomic_write_text
from pvtt.files.hashing import sha256_file
from pvtt.files.storage import raise_storage_fault, storage_errors
from pvtt.training.checkpoint import Checkpoint, CheckpointStore, asdict_shallow
from pvtt.training.processes import Processes

STATE, FILES, DIGESTS = "state.pt", "files.json", ".sha256"


class ShardedCheckpoints:
    """Writes and reads the checkpoints of several processes. All must call its methods, in the same order.

    Args:
        store: Where the checkpoints are, and which are kept.
        processes: Those that write or read.
    """

    def __init__(self, store: CheckpointStore, processes: Processes) -> None:
        self._store = store
        self._processes = processes
        # Of its own: the thread's exchanges must not meet the training's, and NCCL cannot carry what DCP exchanges.
        self._group = dist.new_group(backend="gloo") if dist.is_initialized() else None
        self._thread = ThreadPoolExecutor(1)
        self._stager = DefaultStager(
            StagingOptions(
                use_pinned_memory=False,
                use_shared_memory=False,
                use_async_staging=False,
                use_non_blocking_copy=False,
            )
        )
        self._pending: Future[None] | None = None

    def save(self, checkpoint: Checkpoint, tensors: Mapping[str, Tensor]) -> None:
        """Take a copy of this process's share and begin to write it.

        Args:
            checkpoint: The state but for tensors.
            tensors: By name, sharded or the same in all processes.

        Raises:
            StorageError: This checkpoint, or the one before, could not be written.
        """
        self.wait()
        path = self._store.path(checkpoint.step, sharded=True)
        with ExitStack() as stack:
            made: list[Path] = []
            with self._processes.together():
                if self._processes.is_main:
                    made.append(stack.enter_context(atomic_directory(path)))
            (temporary,) = self._processes.from_main(made)
            # The copy is all that a save takes of the host's memory; of what all have, each takes a part.
            mine = {
                name: tensor
                for number, (name, tensor) in enumerate(tensors.items())
                if hasattr(tensor, "full_tensor") or number % self._processes.count == self._processes.rank
            }
            staged = self._stager.stage(mine)
            assert isinstance(staged, dict)
            writing = stack.pop_all()
        self._pending = self._thread.submit(self._write, writing, temporary, path, checkpoint, staged)

    def wait(self) -> None:
        """Until what is being written is there. Raises as `save` does."""
        with self._processes.together():
            pending, self._pending = self._pending, None
            if pending is not None:
                pending.result()

    def _write(
        self, writing: ExitStack, temporary: Path, path: Path, checkpoint: Checkpoint, staged: dict[str, Any]
    ) -> None:
        with storage_errors(path), writing:
            try:
                save(staged, storage_writer=_DigestingWriter(temporary), process_group=self._group)
            except CheckpointException as error:
                failures = [failure[0] for failure in error.failures.values()]
                raise failures[0] from error
            if self._processes.is_main:
                with (temporary / STATE).open("wb") as file:
                    torch.save(asdict_shallow(checkpoint), file)
                self._list_files(temporary)
        if self._processes.is_main:
            self._store.prune(checkpoint.held_out)

    @staticmethod
    def _list_files(folder: Path) -> None:
        digests = {name: sha256_file(folder / name) for name in (STATE, ".metadata")}
        for part in sorted(folder.glob(f"*{DIGESTS}")):
            digests |= json.loads(part.read_text(encoding="utf-8"))
            part.unlink()
        atomic_write_text(folder / FILES, json.dumps(digests, indent=1) + "\n")

    # -- reading

    def read(self, step: int) -> Checkpoint | None:
        """The checkpoint of a step without its tensors; None if any of its files is damaged, which is said."""
        folder = self._store.path(step, sharded=True)
        damage: list[str] = []
        with self._processes.together():
            try:
                digests = json.loads((folder / FILES).read_text(encoding="utf-8"))
                for number, (name, digest) in enumerate(sorted(digests.items())):
                    mine = number % self._processes.count == self._processes.rank
                    if mine and sha256_file(folder / name) != digest:
                        damage.append(f"{name} is not what was written")
            except (OSError, ValueError, AttributeError) as error:
                raise_storage_fault(error, folder)
                damage.append(first_line(error))
        damage = self._processes.union(damage)
        if damage:
            if self._processes.is_main:
                print(f"{folder} cannot be read and is ignored: {damage[0]}", file=sys.stderr)
            return None
        with (folder / STATE).open("rb") as file:
            return Checkpoint(**torch.load(file, map_location="cpu", weights_only=True))

    def sizes(self, step: int) -> dict[str, tuple[torch.Size, torch.dtype]]:
        """Size and type of each tensor of a checkpoint."""
        metadata = self._reader(step).read_metadata().state_dict_metadata
        return {name: (entry.size, entry.properties.dtype) for name, entry in metadata.items()}  # type: ignore[union-attr]

    def load_into(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Read tensors of a checkpoint that `read` found whole, in place.

        Raises:
            PvttError: They cannot be read.
        """
        folder = self._store.path(step, sharded=True)
        try:
            load(tensors, storage_reader=self._reader(step), process_group=self._group, no_dist=self._group is None)
        except Exception as error:
            raise_storage_fault(error, folder)
            raise PvttError(
                f"{folder} cannot be read: {first_line(error)}", f"remove {folder}: an earlier checkpoint is used then"
            ) from error

    def _reader(self, step: int) -> FileSystemReader:
        return FileSystemReader(self._store.path(step, sharded=True))


class _DigestingWriter(FileSystemWriter):
    """Writes one file a process, synced, and its hash beside it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, sync_files=True)

    def write_data(self, plan: Any, planner: Any) -> Any:
        """As DCP's own, which returns when all is written."""
        results = super().write_data(plan, planner)
        prefix, folder = plan.storage_data.prefix, Path(self.path)
        digests = {file.name: sha256_file(file) for file in folder.glob(f"{prefix}*.distcp")}
        atomic_write_text(folder / f"{prefix}{DIGESTS}", json.dumps(digests))
        return results
