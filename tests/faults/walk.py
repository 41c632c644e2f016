"""All faults of a run in one run.

Failing the Nth write of a run from its start costs what comes before N every time. Here a process runs a function once
and stops before each write. For each fault a forked copy of it, in a copy of the workspace, goes on from there; then
the process itself goes on, as if nothing had been.

The copy has the same memory, open files at the same place in each, and passes for the same process. It has one thread,
so where the process has more it cannot be relied on; nor where a library holds a mutex bound to the thread's id.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.faults.injection import Ended, Injector, run_child

CANNOT_COPY = 99  # exit code of a copy that cannot be made, in shim.c
HELD = ".held"  # suffix of the workspace that is aside, in shim.c
_MESSAGE = struct.Struct("iii")  # `struct message` of shim.c
_ORDER = struct.Struct("iii")  # `struct order` of shim.c


class Call:
    """A write that a walking process is about to make.

    Args:
        walk: The walk that it belongs to.
        at: Its number, from 1.
        meets_full_disk: Whether a full disk refuses such a call.
        num_threads: Of the process.
        before: The injector's state.
    """

    def __init__(self, walk: _Walk, at: int, meets_full_disk: bool, num_threads: int, before: bytes) -> None:
        self.at = at
        self.meets_full_disk = meets_full_disk
        self.num_threads = num_threads
        self._walk = walk
        self._before = before

    @contextmanager
    def fault(self, number: int, *, for_ever: bool, patience_s: int) -> Iterator[Ended | None]:
        """Let a copy of the process meet a fault here; in the block, the workspace is as the copy left it.

        Yields how it ended; None: it could not be copied, or waited longer than `patience_s` for what it did not get.
        """
        root, injector = self._walk.root, self._walk.injector
        held = root.with_name(root.name + HELD)
        root.rename(held)
        try:
            subprocess.run(["cp", "-a", held, root], check=True)  # hard links stay hard links
            injector.resume(self._before)
            status, said = self._walk.copy(number, for_ever, patience_s)
            injector.pause()
            ended = injector.ended(status, said)
            yield None if ended.code in (CANNOT_COPY, -signal.SIGALRM) else ended
        finally:
            injector.pause()
            shutil.rmtree(root, ignore_errors=True)
            held.rename(root)


class _Walk:
    """The walking process, seen from here."""

    def __init__(self, injector: Injector, root: Path, said: IO[bytes], told: int, order: int) -> None:
        self.injector = injector
        self.root = root
        self._said = said.fileno()
        self._told = told
        self._order = order

    def calls(self) -> Iterator[Call]:
        """Its writes in turn. It goes on when the next one is asked for."""
        at = 0
        while message := os.read(self._told, _MESSAGE.size):
            _, meets_full_disk, num_threads = _MESSAGE.unpack(message)
            before, count = self.injector.pause()
            at += 1
            if count + 1 != at:
                raise RuntimeError("another process writes as well, whose calls nobody visits")
            yield Call(self, at, bool(meets_full_disk), num_threads, before)
            self.injector.resume(before)
            os.write(self._order, _ORDER.pack(0, 0, 0))

    def copy(self, number: int, for_ever: bool, patience_s: int) -> tuple[int, str]:
        """Have it fork a copy that meets a fault. Returns the copy's wait status and all that both have printed."""
        end = os.fstat(self._said).st_size
        os.write(self._order, _ORDER.pack(number, int(for_ever), patience_s))
        _, status, _ = _MESSAGE.unpack(os.read(self._told, _MESSAGE.size))
        printed = os.pread(self._said, os.fstat(self._said).st_size, 0)
        os.ftruncate(self._said, end)  # and back: they share the place in the file
        os.lseek(self._said, end, os.SEEK_SET)
        return status, printed.decode(errors="replace")


def walk(injector: Injector, function: Callable[[], object], root: Path, visit: Callable[[Call], None]) -> Ended:
    """Run a function in a forked child, once, which stops before each of its writes.

    Args:
        injector: Under the shim.
        function: As for `Injector.run`.
        root: As for `Injector.run`.
        visit: Called for each write in turn; it may let copies of the child meet faults there.

    Returns:
        How the child itself ended, which met no fault: as `Injector.run` would have, unless visits did harm.

    Raises:
        RuntimeError: Another process than the child writes as well.
    """
    (told, ask), (answer, order) = os.pipe(), os.pipe()
    injector.begin_walk(root, ask, answer)
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryFile() as said:
        process = os.fork()
        if process == 0:
            os.close(told)
            os.close(order)

            def arm() -> None:
                signal.alarm(0)  # it waits for its copies
                injector.arm_walker()

            run_child(function, said.fileno(), arm)
        os.close(ask)
        os.close(answer)
        try:
            for call in _Walk(injector, root, said, told, order).calls():
                visit(call)
        except BaseException:
            os.kill(process, signal.SIGKILL)
            raise
        finally:
            os.close(told)
            os.close(order)
            _, status = os.waitpid(process, 0)
            injector.pause()
        said.seek(0)
        return injector.ended(status, said.read().decode(errors="replace"))
