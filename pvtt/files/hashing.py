"""Content hashes: of files, of JSON values, of a stage's code."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hexadecimal SHA-256 of a JSON value in canonical form (sorted keys, no spaces)."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def sha256_tree(path: Path) -> str:
    """Hexadecimal SHA-256 over the names and contents of all files below a directory."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return sha256_json([[file.relative_to(path).as_posix(), sha256_file(file)] for file in files])


@cache
def code_version(*packages: str) -> str:
    """Hash of the source of packages of `pvtt`, for example `code_version("clips", "media")`.

    A stage names the packages whose code its items' results depend on; a change there redoes its items.
    """
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for package in packages:
        target = root / package
        files = [target.with_suffix(".py")] if not target.is_dir() else sorted(target.rglob("*.py"))
        for file in files:
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
