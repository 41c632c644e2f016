"""A command under every fault: what it must be afterwards, whichever call failed.

for N = 1, 2, …:  a fresh copy of the workspace → the command, whose Nth write fails → check → the command again → check

The command is not run from its start for each N: `tests/faults/walk.py` forks a copy at each write. And two runs that
are one and the same are made once:

- A fault that fails for ever is the fault that fails once, if the command made no call after it that could have failed
  (but a full disk that takes half of a write, which has a beginning of its own).
- The command again, from a workspace whose every name and byte is that of an earlier one, ends as it did then. Of a
  temporary that a fault left, how much was written into it makes no other workspace: nobody reads it, and a sweep takes
  it whole. That it is there, and under which name, does.
"""

from __future__ import annotations

import errno
import importlib
import itertools
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.files.storage import TEMPORARY_PREFIX
from pvtt.items.cache import ItemCache
from pvtt.params.file import load_params
from tests.faults.cases import Case, write_params
from tests.faults.injection import (
    ERRNOS,
    STORAGE_FAULT,
    Counts,
    Ended,
    Fault,
    Injector,
    Kind,
    Result,
    faults_of,
)
from tests.faults.journal import Journal
from tests.faults.walk import Call, walk

LONG_AGO_S = 48 * 3600  # older than what a sweep takes for the temporaries of a live run
NEVER_S = 1e9
PATIENCE, SHORTEST_PATIENCE_S = 10, 60  # a copy that takes longer than so many runs waits for a lock, and for ever
TIME = re.compile(r"\d{8}T\d{6}\.\d+Z")
RANDOM = re.compile(r"(\.tmp-(?:[^/]*-)?)[a-z0-9_]{8}")  # the end of a temporary's name
SAID = re.compile(r"^pvtt: (.+)\n  next: .+\n\Z", re.MULTILINE)


@dataclass(frozen=True)
class Faults:
    """Which faults shall be tried.

    Args:
        quick: Each call fails in one way, not in all.
        sample: A random sample of this many; None: all.
        seed: Of the sample.
        from_the_start: Run the command from its start for each: slow, and the measure of the fast way.
    """

    quick: bool = False
    sample: int | None = None
    seed: int = 0
    from_the_start: bool = False

    def of(self, kind: Kind, num_calls: int) -> list[Fault]:
        """Those of a command that makes so many calls."""
        faults = list(faults_of(kind, num_calls, quick=self.quick))
        if self.sample is None or self.sample >= len(faults):
            return faults
        return random.Random(self.seed).sample(faults, self.sample)


class Loop:
    """One command.

    Args:
        name: Of the case.
        case: The command and its workspace.
        injector: Under the shim.
        folder: Where workspaces are made.
    """

    def __init__(self, name: str, case: Case, injector: Injector, folder: Path) -> None:
        self._name = name
        self._case = case
        self._injector = injector
        self._base = folder / "base"
        self._root = folder / "workspace"  # one place for all runs, so that paths in results are equal
        os.environ["PVTT_DISPATCH"] = "inline"
        self._base.mkdir()
        self.modules = _build(injector, case, self._base)
        self._params = load_params(self._base / "params.yaml")
        for out in case.outs:
            _write_old(self._base / out)
        shutil.copytree(self._base, self._root, symlinks=True)
        self._old = self._published()
        start = time.monotonic()
        ended = self._run()
        if ended.code != 0:
            raise RuntimeError(f"{name} ends with {ended.code} without a fault: {ended.said}")
        self._patience_s = round(SHORTEST_PATIENCE_S + PATIENCE * (time.monotonic() - start))
        self._num_writes = ended.count
        self._new = self._published()
        self._names = _names(self._base) | _names(self._root)
        self._recovered: dict[str, list[str]] = {}  # by the state of the workspace
        self._ended_at_once: set[str] = set()  # faults after which no call was made that could fail
        self._num_recoveries = 0

    def run(self, kind: Kind, faults: Faults, journal: Journal) -> Counts:
        """All of `faults_of`, or a random sample of them."""
        counts = Counts(self._name, kind, self._num_writes if kind == "writes" else self._count_reads())
        wanted = faults.of(kind, counts.num_calls)
        names = {str(fault) for fault in wanted}
        counts.num_faults = len(wanted)
        self._num_recoveries = 0
        if kind == "writes" and self._case.walks and not faults.from_the_start:
            wanted = self._walk(wanted, journal)
        for fault in wanted:
            if str(fault) in journal.results:
                continue
            self._reset()
            self._judge(fault, self._run(fault), journal, counts.num_faults)
        counts.num_recoveries = self._num_recoveries
        for result in journal.results.values():
            if result.fault in names:
                counts.add(result)
        return counts

    def _count_reads(self) -> int:
        self._reset()
        return self._run(kind="reads").count

    def _walk(self, wanted: list[Fault], journal: Journal) -> list[Fault]:
        """Try the faults in one run. Returns those at which it could not be copied, as when it has several threads."""
        left: list[Fault] = []
        open_faults = {fault for fault in wanted if str(fault) not in journal.results}
        at_full_disk = 0

        def visit(call: Call) -> None:
            nonlocal at_full_disk
            at_full_disk += call.meets_full_disk
            for number, for_ever in itertools.product(ERRNOS, (False, True)):
                at = at_full_disk if number == errno.ENOSPC else call.at
                fault = Fault("writes", number, at, for_ever)
                if fault not in open_faults or (number == errno.ENOSPC and not call.meets_full_disk):
                    continue
                if call.num_threads > 1:
                    left.append(fault)
                elif not self._is_the_same(fault, journal, len(wanted)):
                    with call.fault(number, for_ever=for_ever, patience_s=self._patience_s) as ended:
                        if ended is None:
                            left.append(fault)
                        else:
                            self._judge(fault, ended, journal, len(wanted))

        if open_faults:
            self._reset()
            ended = walk(self._injector, self._command(), self._root, visit)
            if ended.code != 0 or self._published() != self._new:
                raise RuntimeError(f"{self._name} did not end as without copies: {ended.said}")
        return left

    def _is_the_same(self, fault: Fault, journal: Journal, num_faults: int) -> bool:
        once = str(replace(fault, for_ever=False))
        if not fault.for_ever or once not in self._ended_at_once:
            return False
        result = journal.results[once]
        if fault.number == errno.ENOSPC and result.failed in ("write", "pwrite", "pwrite64"):
            return False
        journal.add(replace(result, fault=str(fault), same=True), num_faults)
        return True

    def _judge(self, fault: Fault, ended: Ended, journal: Journal, num_faults: int) -> None:
        """Keep what is wrong after a fault, and after the command has run once more."""
        wrong: list[str] = []
        if ended.failed:
            wrong = [*self._check(ended), *self._unsound()]
            if ended.code != 0 or self._temporaries():
                wrong += self._recover()
            if not fault.for_ever and ended.num_after == 0:
                self._ended_at_once.add(str(fault))
        journal.add(Result(str(fault), ended.code, ended.failed, tuple(wrong)), num_faults)

    def _recover(self) -> list[str]:
        """What is wrong after the command has run again, in this workspace or in one that was equal."""
        state = self._state()
        if state not in self._recovered:
            self._num_recoveries += 1
            self._recovered[state] = [*self._check_again(), *self._unsound()]
        return self._recovered[state]

    def _state(self) -> str:
        """Hash of names, kinds, modes and bytes, but of what temporaries hold and of what says who ran and how far."""
        found = []
        for path in self._root.rglob("*"):
            name = RANDOM.sub(r"\1RANDOM", TIME.sub("TIME", path.relative_to(self._root).as_posix()))
            parts = [part.startswith(TEMPORARY_PREFIX) for part in path.relative_to(self._root).parts]
            if any(parts[:-1]):
                continue
            if parts[-1]:
                found.append([name, "folder" if path.is_dir() else "file"])
            elif name.startswith(".pvtt/progress/") or name.endswith(".holder.json"):
                found.append([name])
            elif path.is_symlink():
                found.append([name, "link", str(path.readlink())])
            else:
                status = path.stat()
                content = sha256_file(path) if path.is_file() else "folder"
                found.append([name, content, oct(status.st_mode), str(path.is_file() and status.st_nlink)])
        return sha256_json(sorted(found))

    def _run(self, fault: Fault | None = None, kind: Kind = "writes") -> Ended:
        return self._injector.run(self._command(kind), self._root, fault, kind)

    def _command(self, kind: Kind = "writes") -> Callable[[], None]:
        def command() -> None:
            from tqdm import tqdm

            from pvtt.cli.main import main
            from pvtt.items import progress
            from pvtt.params import file

            progress.WRITE_EVERY_S = NEVER_S  # at the start and the end alone, so that all runs count alike
            tqdm.monitor_interval = 0  # its thread would be missing in a copy
            if kind == "writes":
                file.load_params = lambda path: self._params  # type: ignore[assignment]  # half of a small run's time
            os.chdir(self._root)
            main(list(self._case.arguments))

        return command

    def _reset(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.copytree(self._base, self._root, symlinks=True)

    def _published(self) -> dict[str, str | None]:
        return {out: _digest(self._root / out, self._case.varying) for out in self._case.outs}

    def _check(self, ended: Ended) -> Iterator[str]:
        """What is wrong after the fault."""
        if ended.code == STORAGE_FAULT:
            said = SAID.search(ended.said)
            if said is None or "Traceback" in ended.said:
                yield f"not one clear line: {ended.said[-500:]!r}"
            elif not any(place in said[1] for place in (str(self._root), *self._case.outs)):
                yield f"the message names no path: {said[1]!r}"
        elif ended.code != 0:
            yield f"exit code {ended.code}: {ended.said[-700:]}"
        for out, digest in self._published().items():
            if digest != self._new[out] and (ended.code == 0 or digest != self._old[out]):
                yield f"{out} is neither the old nor the new" if ended.code else f"{out} is not the new"
        for entry in (self._root / ".pvtt" / "cache").glob("*/[0-9a-f][0-9a-f]/[0-9a-f]*"):
            if entry.is_dir() and ItemCache(entry.parents[1]).read(entry.name) is None:
                yield f"the cache's entry {entry.name[:8]} is not whole"

    def _unsound(self) -> Iterator[str]:
        if self._case.require_sound is not None:
            try:
                self._case.require_sound(self._root)
            except Exception as error:
                yield f"not sound: {error!r}"

    def _temporaries(self) -> list[Path]:
        return list(self._root.rglob(f"{TEMPORARY_PREFIX}*"))

    def _check_again(self) -> Iterator[str]:
        """What is wrong after the same command without a fault, two days later."""
        long_ago = time.time() - LONG_AGO_S
        for path in self._temporaries():
            os.utime(path, (long_ago, long_ago))
        ended = self._run()
        if ended.code != 0:
            yield f"again, without a fault: exit code {ended.code}: {ended.said[-700:]}"
        elif self._published() != self._new:
            yield "again, without a fault: other bytes than an undisturbed run's"
        left = sorted(name for name in _names(self._root) - self._names if not name.startswith(".pvtt/progress/"))
        if left:  # but what only says how far it is, which the next run that has work to do overwrites
            yield f"left behind: {left}"


def _build(injector: Injector, case: Case, base: Path) -> list[str]:
    """Build the workspace, and import what the command will import, so that a fork has it. Returns these modules.

    Both happen in a fork, which runs the command in a copy to see what it imports: threads survive no fork, so nothing
    is run here.
    """
    root, listing = base.with_name("rehearsal"), base.with_name("modules")

    def rehearse() -> None:
        from pvtt.cli.main import main

        write_params(base, case.build(base))
        shutil.copytree(base, root, symlinks=True)
        os.chdir(root)
        try:
            main(list(case.arguments))
        finally:
            listing.write_text("\n".join(sys.modules))

    ended = injector.run(rehearse, root)
    if ended.code != 0:
        raise RuntimeError(f"{case.arguments} ends with {ended.code} without a fault: {ended.said}")
    modules = listing.read_text().split()
    for name in modules:
        if name.partition(".")[0] not in ("__main__", "tests"):
            try:
                importlib.import_module(name)
            except Exception:  # made at run time, or by another name
                continue
    shutil.rmtree(root)
    return modules


def _write_old(out: Path) -> None:
    """An older result. An export is only replaced if it looks like one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix:
        out.write_text("old")
    else:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        (out / "dataset.json").write_text("old")


def _digest(out: Path, varying: tuple[str, ...]) -> str | None:
    """Hash of names and contents, of files that vary by nature their names; None where there is nothing."""
    if out.is_file():
        return sha256_file(out)
    if not out.is_dir():
        return None
    names = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    return sha256_json(
        [
            [TIME.sub("TIME", name.as_posix()), "" if set(name.parts) & set(varying) else sha256_file(out / name)]
            for name in names
        ]
    )


def _names(root: Path) -> set[str]:
    """All files below a folder, without the times in their names."""
    return {TIME.sub("TIME", path.relative_to(root).as_posix()) for path in root.rglob("*") if path.is_file()}


def scratch_folder() -> Path:
    """Where workspaces are copied to thousands of times: in memory where there is such a place."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="faults-", dir=memory if memory.is_dir() else None))
