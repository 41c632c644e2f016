"""DVC's own command line in this process: to start another takes longer than most of its commands."""

from __future__ import annotations

import contextlib
from pathlib import Path


def run_dvc(root: Path, *arguments: str) -> None:
    """`dvc ARGUMENTS` in the folder `root`. What it prints is in the test's own output."""
    from dvc.cli import main

    with contextlib.chdir(root):
        code = main(list(arguments))
    assert code == 0, f"dvc {' '.join(arguments)} ended with {code}"
