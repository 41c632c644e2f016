"""What was fetched: `<place>.lock.json` beside each network's weights, which belongs into Git."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_write_text
from pvtt.records.base import Record, first_fault
from pvtt.records.catalog import Sha256
from pvtt.weights.networks import Network


class LockedFile(Record):
    """One file, below the network's place; a network that is one file has its own name."""

    path: str
    size: int = Field(ge=0)
    sha256: Sha256


class WeightsLock(Record):
    """The whole of one network."""

    name: str
    source: str
    revision: str  # that the list asked for
    commit: str | None  # what the hub gave for it; None: it is no repository
    files: tuple[LockedFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def lock_file(root: Path, network: Network) -> Path:
    """Where a network's lock is."""
    return root / f"{network.place}.lock.json"


def read_lock(root: Path, network: Network) -> WeightsLock | None:
    """What was fetched; None: nothing was.

    Raises:
        PvttError: The file is not in its format.
    """
    path = lock_file(root, network)
    try:
        return WeightsLock.from_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise PvttError(
            f"{path}: {first_fault(error)}", f"delete it and run `pvtt weights fetch {network.name}`"
        ) from None


def write_lock(root: Path, network: Network, lock: WeightsLock) -> None:
    """Record what was fetched."""
    atomic_write_text(lock_file(root, network), lock.to_json(indent=2) + "\n")
