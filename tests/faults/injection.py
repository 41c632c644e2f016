"""Real faults of a disk, on demand: the Nth call below a folder fails, once or from then on for ever.

`shim.c` stands between all libraries and libc; this module compiles it, starts Python under it, says what shall fail
and runs a function in a forked child. A fork costs milliseconds, where starting Python with PyTorch costs seconds.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import itertools
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SHIM = Path(__file__).with_name("shim.c")
STATE = "FAULTS_STATE"  # environment variable: the file that is mapped here and in the shim
TIMEOUT_S = 1200  # of one forked child; ten times what it needs alone, as it may run beside others
STORAGE_FAULT = 7  # exit code of `StorageError`
ERRNOS = (errno.ENOSPC, errno.EROFS, errno.EIO)

Kind = Literal["writes", "reads"]
_KINDS: tuple[Kind, ...] = ("writes", "reads")


class _State(ctypes.Structure):
    """`struct state` of shim.c."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("number", ctypes.c_int32),
        ("for_ever", ctypes.c_int32),
        ("failed", ctypes.c_int32),
        ("walker", ctypes.c_int32),
        ("ask", ctypes.c_int32),
        ("answer", ctypes.c_int32),
        ("fail_at", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("first", ctypes.c_char * 64),
        ("root", ctypes.c_char * 4096),
    )


@dataclass(frozen=True)
class Fault:
    """What shall go wrong.

    Args:
        kind: Which calls are counted.
        number: The errno of a failing call.
        at: The first call to fail, from 1.
        for_ever: The calls after it fail too; else only this one.
    """

    kind: Kind
    number: int
    at: int
    for_ever: bool

    def __str__(self) -> str:
        name = errno.errorcode[self.number]
        return f"{name} at {self.kind.removesuffix('s')} {self.at}{', for ever' if self.for_ever else ''}"


def faults_of(kind: Kind, num_calls: int, *, quick: bool = False) -> Iterator[Fault]:
    """Every call × every errno × once and for ever; `quick`: every call in one of these ways, which take turns."""
    numbers = ERRNOS if kind == "writes" else (errno.EIO,)  # a read meets no full disk
    ways = list(itertools.product(numbers, (False, True)))
    for at in range(1, num_calls + 1):
        for number, for_ever in [ways[at % len(ways)]] if quick else ways:
            yield Fault(kind, number, at, for_ever)


@dataclass(frozen=True)
class Ended:
    """How a forked child ended.

    Args:
        code: Its exit code; negative: the signal that ended it.
        said: Its standard output and error.
        count: Calls of the kind that was counted.
        failed: The first call that failed; empty: none did.
        num_after: Calls after the one that was to fail, or, without a fault, all.
    """

    code: int
    said: str
    count: int
    failed: str
    num_after: int


@dataclass
class Counts:
    """What came of the faults of one command or library."""

    name: str
    kind: Kind
    num_calls: int  # of an undisturbed run
    num_faults: int = 0  # that there are: every call × errno × once and for ever, or the sample of them
    num_injections: int = 0  # that were tried
    num_ended: int = 0  # with the exit code of a storage fault
    num_absorbed: int = 0  # went on, and all is as it should be
    num_same: int = 0  # of the injections: not run, as they are the run of the fault before them
    num_recoveries: int = 0  # runs afterwards; equal workspaces share one
    violations: list[str] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one fault."""
        if not result.failed:
            return  # this run had fewer calls
        self.num_injections += 1
        self.num_ended += result.code == STORAGE_FAULT
        self.num_absorbed += result.code == 0
        self.num_same += result.same
        self.violations += [f"{result.fault} ({result.failed}): {what}" for what in result.violations]


@dataclass(frozen=True)
class Result:
    """What came of one fault.

    Args:
        fault: As `str(Fault)`.
        code: Exit code.
        failed: The call that failed first; empty: there was none.
        violations: What is wrong.
        same: It was not run, since it is the run of the same fault once.
    """

    fault: str
    code: int
    failed: str
    violations: tuple[str, ...]
    same: bool = False


def compile_shim(folder: Path, compiler: str) -> Path:
    """Compile the shim into a folder."""
    library = folder / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", library, SHIM, "-ldl"], check=True)
    return library


def run_under_shim(
    arguments: Sequence[str], library: Path, folder: Path, *, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` with the shim loaded and harmless until `Injector.run` says otherwise.

    Args:
        arguments: Of Python.
        library: The compiled shim.
        folder: For the shared state; nothing below it is under test.
        capture: Keep what it prints, instead of letting it through.
    """
    state = folder / "state"
    state.write_bytes(bytes(ctypes.sizeof(_State)))
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        STATE: str(state),
        "OMP_NUM_THREADS": "1",  # a fork copies one thread: PyTorch's pool would be missing in the child
        "OPENCV_FOR_THREADS_NUM": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=capture, text=True, check=False)


class Injector:
    """Runs functions under faults, in a process that `run_under_shim` started."""

    def __init__(self) -> None:
        with Path(os.environ[STATE]).open("r+b") as file:
            self._state = _State.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(_State)))

    def run(
        self, function: Callable[[], object], root: Path, fault: Fault | None = None, kind: Kind = "writes"
    ) -> Ended:
        """Run a function in a forked child.

        Args:
            function: Its exit code is 0, `SystemExit`'s, or 1 with a traceback.
            root: Calls on files below this folder count.
            fault: What goes wrong; None: nothing.
            kind: What is counted where there is no fault.
        """
        state = self._state
        state.root = str(root.resolve()).encode()
        state.number, state.for_ever, state.fail_at = 0, 0, 0
        if fault is not None:
            kind = fault.kind
            state.number, state.for_ever, state.fail_at = fault.number, int(fault.for_ever), fault.at
        state.count = state.failed = 0
        state.first = b""
        gc.collect()
        gc.freeze()  # else the child's collector copies every page
        with tempfile.TemporaryFile() as said:
            process = os.fork()
            if process == 0:
                run_child(function, said.fileno(), lambda: setattr(state, "kind", 1 + _KINDS.index(kind)))
            _, status = os.waitpid(process, 0)
            state.kind = 0
            said.seek(0)
            text = said.read().decode(errors="replace")
        return self.ended(status, text)

    def ended(self, status: int, said: str) -> Ended:
        """How a process ended, by its wait status, what it printed, and what the shim counted."""
        state = self._state
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, said, state.count, state.first.decode(), state.count - state.fail_at)

    def begin_walk(self, root: Path, ask: int, answer: int) -> None:
        """Have the process that calls `arm_walker` ask, by these descriptors, before each write below a folder."""
        ctypes.memset(ctypes.addressof(self._state), 0, ctypes.sizeof(_State))
        self._state.root = str(root.resolve()).encode()
        self._state.ask, self._state.answer = ask, answer

    def arm_walker(self) -> None:
        """From here on this process asks."""
        self._state.walker, self._state.kind = os.getpid(), 1

    def pause(self) -> tuple[bytes, int]:
        """Count nothing, and let nothing fail. Returns the shared state before, and its count."""
        before = bytes(self._state)
        self._state.kind = 0
        return before, int(self._state.count)

    def resume(self, before: bytes) -> None:
        """Put the shared state back to what `pause` returned."""
        ctypes.memmove(ctypes.addressof(self._state), before, len(before))


def run_child(function: Callable[[], object], output: int, arm: Callable[[], None]) -> None:
    """A forked child's whole life.

    Args:
        function: As for `Injector.run`.
        output: Descriptor for what it prints.
        arm: Called at last before the function.
    """
    code = 1
    try:
        signal.alarm(TIMEOUT_S)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        arm()
        function()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
