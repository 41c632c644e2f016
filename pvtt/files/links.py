"""Where a file is, links followed: with `cache.type symlink` DVC keeps files in its cache and leaves links to them."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path


def lies_within(path: Path, folder: Path) -> bool:
    """Whether a file is one of a folder's: there, or behind a link that DVC put there.

    A link to any other place leads out of the folder.
    """
    folder = folder.resolve()
    if not path.parent.resolve().is_relative_to(folder):
        return False
    real = path.resolve()
    if real.is_relative_to(folder):
        return True
    project = next((parent for parent in (folder, *folder.parents) if (parent / ".dvc").is_dir()), None)
    kept = None if project is None else _dvc_cache(project)
    return kept is not None and real.is_relative_to(kept)


@cache
def _dvc_cache(project: Path) -> Path | None:
    """The cache of a DVC project, wherever its settings put it; None where DVC does not say."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    place = answer.stdout.strip()
    return Path(project, place).resolve() if answer.returncode == 0 and place else None
