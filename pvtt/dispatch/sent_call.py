"""A call on its way to another process, with the code that it is to run.

A worker or a Slurm task imports `pvtt` for itself: from another folder where its environment differs, or in another
version where somebody edited the checkout while the job was queued. Its result would then be kept under the hash of
code that did not make it. So the sender says what the files hold, and the receiver looks before it does anything.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.errors import ForeignCodeError
from pvtt.files.code import code_files, running_root
from pvtt.files.hashing import sha256_file


@dataclass(frozen=True)
class SentCall:
    """A function and its argument, both still pickled, since unpickling them imports their code.

    Args:
        work: The function and its argument, pickled as a pair.
        root: The folder that the sender's package is in.
        files: SHA-256 of each file of code that the work needs, by its place below `root`.
    """

    work: bytes
    root: Path
    files: dict[str, str]

    def check(self) -> None:
        """Raise `ForeignCodeError` unless the code that this process has is the sender's, wherever it lies."""
        here = running_root()
        other = [name for name, sha256 in self.files.items() if _sha256(here / name) != sha256]
        if not other:
            return
        if here == self.root:
            raise ForeignCodeError(
                f"{_named(other)} in {here} changed after this work was submitted",
                "run the same command again: it continues, with what the new code leaves valid",
            )
        raise ForeignCodeError(
            f"this work's pvtt is imported from {here}, its project is {self.root}, and {_named(other)} differs",
            "let the workers' environment import the project's own folder, or bring that copy up to date",
        )

    def unpack(self) -> tuple[Callable[[Any], Any], Any]:
        """The function and its argument; imports what they need."""
        function, argument = pickle.loads(self.work)
        return function, argument


def send(function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[SentCall]:
    """A call of `function` for each argument.

    The code that they need is the import closure of every function and record in them.
    """
    works: list[bytes] = []
    modules: set[str] = set()
    for argument in arguments:
        buffer = io.BytesIO()
        pickler = _Pickler(buffer)
        pickler.dump((function, argument))
        works.append(buffer.getvalue())
        modules |= pickler.modules
    files = {name: sha256_file(path) for name, path in code_files(modules=modules).items()}
    return [SentCall(work, running_root(), files) for work in works]


class _Pickler(pickle.Pickler):
    """Notes the modules of all functions, classes and instances that it pickles."""

    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if module := getattr(obj, "__module__", None):
            self.modules.add(module)
        return NotImplemented


def _named(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} with {len(files) - 1} more"


def _sha256(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None
