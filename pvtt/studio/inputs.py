"""What was dropped on the page: kept by its hash beside the ads, so that their records can repeat them.

    ads/inputs/<hash>/<name>

A record that is read back names files by hash. They are looked up here and nowhere else: what a record says of paths
is never opened.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pvtt.files.atomic import atomic_path
from pvtt.files.hashing import sha256_file
from pvtt.generation.ad.record import InputFile

FOLDER = "inputs"
SHORT = 16  # characters of a hash that name a folder


class Inputs:
    """The inputs of the ads in a folder.

    Args:
        out: Of the ads.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out / FOLDER

    def keep(self, dropped: Path) -> Path:
        """The same file, where it stays. Raises `StorageError` where it cannot be kept."""
        if dropped.resolve().is_relative_to(self.folder.resolve()):
            return dropped
        kept = self.folder / sha256_file(dropped)[:SHORT] / dropped.name
        if not kept.is_file():
            with atomic_path(kept) as temporary:
                temporary.unlink(missing_ok=True)
                try:
                    os.link(dropped, temporary)
                except OSError:  # another file system, or one without links
                    shutil.copyfile(dropped, temporary)
        return kept

    def find(self, file: InputFile) -> Path | None:
        """The input that a record names, by its hash; None where it is not here, or is another one now."""
        named = self.folder / file.sha256[:SHORT] / Path(file.path).name
        if named.is_file() and sha256_file(named) == file.sha256:
            return named
        return None
