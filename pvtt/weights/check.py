"""Are fetched weights whole, and of the kind that is wanted? Headers and sizes are read; hashes only when asked for."""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.files.hashing import sha256_file
from pvtt.weights.lock import WeightsLock, read_lock
from pvtt.weights.networks import Network

MAX_HEADER = 100 * 2**20  # as safetensors itself refuses more
DTYPE_BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16,
              "U16": 16, "I8": 8, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8}  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """What came of looking at one network.

    Args:
        network: Which.
        there: Something is at its place.
        faults: What is wrong with it, a phrase each.
        lock: What was fetched; None: it was put there by hand, or never.
    """

    network: Network
    there: bool
    faults: tuple[str, ...]
    lock: WeightsLock | None

    @property
    def ok(self) -> bool:
        """Whether it can be used."""
        return self.there and not self.faults


def check_network(root: Path, network: Network, hashes: bool = False, at: str | None = None) -> Checked:
    """Check a network's weights below the project's folder.

    Args:
        root: The project's folder.
        network: Which.
        hashes: Compute every file's hash too, which reads all of it.
        at: Where it is, if not at its own place.

    Raises:
        PvttError: Its lock is not in its format.
    """
    own = at is None or at == network.place or at.startswith(f"{network.place}/")
    place, lock = root / (network.place if own else str(at)), read_lock(root, network) if own else None
    if not place.exists():
        return Checked(network, False, (f"{network.place if own else at} does not exist",), lock)
    try:
        faults = [*_against_lock(place, lock, hashes), *faults_of_kind(place, network)]
    except OSError as error:
        faults = [f"{place} cannot be read: {error.strerror or error}"]
    return Checked(network, True, tuple(dict.fromkeys(faults)), lock)


def _against_lock(place: Path, lock: WeightsLock | None, hashes: bool) -> Iterator[str]:
    for locked in () if lock is None else lock.files:
        path = place / locked.path if place.is_dir() else place
        if not path.is_file():
            yield f"{locked.path} is missing"
        elif path.stat().st_size != locked.size:
            yield f"{locked.path} has {path.stat().st_size:,} bytes, {locked.size:,} were fetched"
        elif hashes and sha256_file(path) != locked.sha256:
            yield f"{locked.path} is not the file that was fetched: its hash differs"


def faults_of_kind(place: Path, network: Network) -> Iterator[str]:
    """What keeps a folder or file from being what a network's kind says."""
    match network.kind:
        case "state_dict":
            if not place.is_file():
                yield "is no file"
            elif not zipfile.is_zipfile(place) and place.read_bytes()[:1] != b"\x80":
                yield f"{place.name} is no file of torch.save"
            return
        case "torchscript":
            yield from _one_of(place, "*.pt")
        case "sam2":
            yield from _one_of(place, "*.pt")
            yield from _one_of(place, "*.yaml")
        case "pipeline":
            yield from _pipeline_faults(place)
        case "transformers":
            yield from _component_faults(place, "")
            if not (place / "preprocessor_config.json").is_file():
                yield "preprocessor_config.json is missing"
        case "vision":
            yield from _component_faults(place / "image_encoder", "image_encoder/")
            if not (place / "image_processor" / "preprocessor_config.json").is_file():
                yield "image_processor/preprocessor_config.json is missing"
    for file in sorted(place.rglob("*.safetensors")):
        fault = safetensors_fault(file)
        if fault:
            yield f"{file.relative_to(place)}: {fault}"
    for name, values in network.expects.items():
        yield from _unexpected(place / name, name, values)


def _one_of(place: Path, pattern: str) -> Iterator[str]:
    found = sorted(place.glob(pattern))
    if len(found) != 1:
        yield f"one {pattern} is needed, {len(found) or 'none'} {'are' if len(found) > 1 else 'is'} there"


def _pipeline_faults(place: Path) -> Iterator[str]:
    try:
        index = json.loads((place / "model_index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield "model_index.json is missing: this is no Diffusers pipeline"
        return
    except (json.JSONDecodeError, UnicodeDecodeError):
        yield "model_index.json is no JSON"
        return
    for part, kind in index.items() if isinstance(index, dict) else ():
        if part.startswith("_") or not isinstance(kind, list) or kind[0] is None:
            continue
        if not (place / part).is_dir():
            yield f"{part}/ is missing"
        elif part in ("transformer", "vae", "text_encoder", "image_encoder"):
            yield from _component_faults(place / part, f"{part}/")


def _component_faults(folder: Path, prefix: str) -> Iterator[str]:
    """A model's folder: its configuration, and all shards that its index names."""
    if not (folder / "config.json").is_file():
        yield f"{prefix}config.json is missing"
    indexes = sorted(folder.glob("*.safetensors.index.json"))
    for index in indexes:
        try:
            shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError):
            yield f"{prefix}{index.name} is no index of shards"
            continue
        yield from (f"{prefix}{shard} is missing" for shard in shards if not (folder / str(shard)).is_file())
    if not indexes and not any((*folder.glob("*.safetensors"), *folder.glob("*.bin"))):
        yield f"{prefix}holds no weights"


def _unexpected(path: Path, name: str, values: Any) -> Iterator[str]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return  # said already
    except (json.JSONDecodeError, UnicodeDecodeError):
        yield f"{name} is no JSON"
        return
    for key, value in values.items():
        if not isinstance(config, dict) or config.get(key) != value:
            found = config.get(key) if isinstance(config, dict) else None
            yield f"{name}: {key} is {found!r}, of this network it is {value!r}"


def safetensors_fault(path: Path) -> str | None:
    """Why a safetensors file is not whole; None: its header is readable, and all bytes that it names are there."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            return "cut off: it has no header"
        (length,) = struct.unpack("<Q", start)
        if length > min(MAX_HEADER, size - 8):
            return "no safetensors file, or cut off within its header"
        try:
            header = json.loads(file.read(length))
            tensors = [entry for name, entry in header.items() if name != "__metadata__"]
            ends = [entry["data_offsets"][1] for entry in tensors]
            wrong = any(_bytes_of(entry) != entry["data_offsets"][1] - entry["data_offsets"][0] for entry in tensors)
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError, IndexError):
            return "its header cannot be read"
    if wrong:
        return "its header contradicts itself"
    needed = 8 + length + max(ends, default=0)
    return None if size == needed else f"has {size:,} bytes, its header says {needed:,}"


def _bytes_of(entry: Any) -> int:
    bits = DTYPE_BITS.get(entry["dtype"])
    if bits is None:  # a type of a later version
        return int(entry["data_offsets"][1] - entry["data_offsets"][0])
    return int(math.prod(entry["shape"]) * bits // 8)
