"""What came of each fault, kept on the disk as it comes, so that hours of faults can be stopped and gone on with."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from pvtt.files.hashing import sha256_file, sha256_json
from tests.faults.injection import Result

ROOT = Path(__file__).resolve().parents[2]
SAY_EVERY_S = 30.0


class Journal:
    """The results of one command or library.

    Args:
        file: One line of JSON a fault, of any number of commands; None: nothing is kept.
        name: Of the command or library.
        modules: All that were imported when it ran.
    """

    def __init__(self, file: Path | None, name: str, modules: Iterable[str]) -> None:
        self._file = file
        self._name = name
        self._code = code_sha256(modules) if file is not None else ""
        self._started = self._said = time.monotonic()
        self._num_new = 0
        self.results: dict[str, Result] = {}
        for line in file.read_text().splitlines() if file is not None and file.exists() else ():
            kept = json.loads(line)
            if (kept.pop("name"), kept.pop("code_sha256")) == (name, self._code):
                kept["violations"] = tuple(kept["violations"])
                self.results[kept["fault"]] = Result(**kept)

    def add(self, result: Result, num_faults: int) -> None:
        """Keep a result, and say now and then how far it is."""
        self.results[result.fault] = result
        self._num_new += 1
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps({"name": self._name, "code_sha256": self._code, **asdict(result)}) + "\n")
            self._say(num_faults)

    def _say(self, num_faults: int) -> None:
        now = time.monotonic()
        if now - self._said < SAY_EVERY_S:
            return
        self._said = now
        left = num_faults - len(self.results)
        minutes = left * (now - self._started) / self._num_new / 60
        wrong = sum(bool(result.violations) for result in self.results.values())
        print(
            f"{self._name}: {len(self.results)} of {num_faults} faults, {wrong} wrong, about {minutes:.0f} min left",
            file=sys.stderr,
            flush=True,
        )


def code_sha256(modules: Iterable[str]) -> str:
    """What a result depends on: the packages of the modules that ran, the locked libraries, and how faults are made
    and judged.

    Whole packages, but of commands, as a child process imports what its parent does not.

    Args:
        modules: Names of all that were imported.
    """
    files = {ROOT / "requirements.lock", *(ROOT / "tests" / "faults").glob("*.[cp]*")}
    for module in modules:
        package, *_ = module.split(".")
        path = ROOT.joinpath(*module.split("."))
        if package == "pvtt" and not module.startswith("pvtt.cli"):
            files |= set((path if path.is_dir() else path.parent).glob("*.py"))
        elif package in ("pvtt", "tests"):
            files |= {path for path in (path / "__init__.py", path.with_suffix(".py")) if path.is_file()}
    files = {path for path in files if not path.name.startswith("test_")}
    return sha256_json([[path.relative_to(ROOT).as_posix(), sha256_file(path)] for path in sorted(files)])
