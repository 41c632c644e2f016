"""What `dvc.lock` says, and whether the files are that.

DVC itself skips a file whose size and times are as they were; here the bytes are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pvtt.errors import MissingInputError


def data_version(root: Path) -> str:
    """The hash in `data.dvc`. Raises `MissingInputError`."""
    return str(_read_yaml(root / "data.dvc")["outs"][0]["md5"])


def evaluated_data_version(root: Path) -> str:
    """The hash of `data` that the first stage ran on. Raises `MissingInputError`."""
    for dep in read_lock(root).get("clip", {}).get("deps", ()):
        if dep["path"] == "data":
            return str(dep["md5"])
    raise MissingInputError("dvc.lock knows no data that clip ran on", "run the pipeline first: `make run`")


def read_lock(root: Path) -> dict[str, Any]:
    """The stages of `dvc.lock`. Raises `MissingInputError`."""
    stages: dict[str, Any] = _read_yaml(root / "dvc.lock")["stages"]
    return stages


def unlocked_files(root: Path, stages: Sequence[str]) -> Iterator[str]:
    """Single files that stages read or wrote and that are not what `dvc.lock` says, a phrase each."""
    lock = read_lock(root)
    seen = set()
    for stage in stages:
        if stage not in lock:
            yield f"dvc.lock: it has no {stage}"
            continue
        for entry in (*lock[stage].get("deps", ()), *lock[stage].get("outs", ())):
            name, md5 = entry["path"], str(entry.get("md5", ""))
            if name in seen or not md5 or md5.endswith(".dir"):
                continue
            seen.add(name)
            path = root / name
            if not path.is_file():
                yield f"{name}: it is not there, dvc.lock has it as {md5[:12]}"
            elif _md5(path) != md5:
                yield f"{name}: its hash is {_md5(path)[:12]}, dvc.lock has {md5[:12]}"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _read_yaml(path: Path) -> Any:
    from ruamel.yaml import YAML

    if not path.is_file():
        raise MissingInputError(f"{path} does not exist", "run the pipeline first: `make run`")
    return YAML(typ="safe").load(path.read_bytes())  # by libyaml: a lock is long, and DVC quotes what is ambiguous
