"""`photos` with a fault of its own: it publishes file by file in place of at once. Prints what the faults find.

python -m tests.faults.planted [--from-the-start]    under the shim
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from pvtt.files import atomic
from tests.faults.cases import CASES
from tests.faults.injection import Injector
from tests.faults.journal import Journal
from tests.faults.loop import Faults, Loop, scratch_folder


def put_file_by_file(new: Path, path: Path) -> None:
    """In place of the one rename: who looks meanwhile, or after a fault, sees a half."""
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(new, path)


def main(*arguments: str) -> None:
    folder = scratch_folder()
    try:
        atomic._put = put_file_by_file
        loop = Loop("photos", CASES["photos"], Injector(), folder)
        faults = Faults(quick=True, sample=40, from_the_start="--from-the-start" in arguments)
        counts = loop.run("writes", faults, Journal(None, "photos", loop.modules))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    json.dump([asdict(counts)], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
