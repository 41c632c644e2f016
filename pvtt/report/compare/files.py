"""The files that a run left, by their place in its workspace: in a folder, or in a commit."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from pvtt.errors import PvttError
from pvtt.files.git import committed_bytes


class RunFiles(Protocol):
    """Where a run's files are read."""

    def read(self, path: str) -> bytes | None:
        """A file's content, None where it is not here. `path` is relative to the workspace. Raises `PvttError`."""
        ...


class FolderFiles:
    """Those of a workspace."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except PermissionError:
            raise PvttError(f"{self.root / path} cannot be read", "give this user the right to read it") from None


class CommitFiles:
    """Those of a commit: what Git holds, and what DVC's cache, or its remote, has of the outputs of then."""

    def __init__(self, root: Path, commit: str) -> None:
        self.root = root
        self.commit = commit

    def read(self, path: str) -> bytes | None:
        held = committed_bytes(self.root, path, self.commit)
        if held is not None or self._outputs is None:
            return held
        try:
            content: bytes = self._outputs.read_bytes(path)
            return content
        except Exception:  # whatever keeps DVC from it, the run is compared without
            return None

    @cached_property
    def _outputs(self) -> Any | None:
        """DVC's view of the commit; None where there is no DVC."""
        try:
            from dvc.api import DVCFileSystem

            return DVCFileSystem(str(self.root), rev=self.commit)
        except Exception:
            return None
