"""What a stage's inputs look like from outside, so that a job at work is not taken for one on other data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pvtt.files.hashing import sha256_json
from pvtt.params.file import Params

_VALUE = re.compile(r"\$\{([\w.]+)\}")


def inputs_mark(root: Path, reads: Sequence[str], params: Params) -> str:
    """A hash over names, sizes and times of all files that a stage reads; their content is not read.

    Args:
        root: The workspace's root.
        reads: As in `Stage.reads`: `${model.base}` is the params' value.
        params: Where such values are.
    """
    return sha256_json([[name, *mark] for name in reads for mark in _marks(root / _filled(name, params))])


def _filled(name: str, params: Params) -> str:
    def value(found: re.Match[str]) -> str:
        inner: object = params
        for part in found[1].split("."):
            inner = getattr(inner, part, None)
        return str(inner)

    return _VALUE.sub(value, name)


def _marks(path: Path) -> Iterator[tuple[str, int, int]]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        try:
            status = file.stat()
        except OSError:  # not there, or not to be read: that too is a state
            continue
        if not file.is_dir():
            yield str(file), status.st_size, status.st_mtime_ns
