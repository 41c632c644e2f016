"""Functions that the tests send to other processes and jobs, which import them by name."""

from __future__ import annotations

import importlib
import os
import signal
import time
from pathlib import Path

from pvtt.errors import PvttError
from pvtt.records.base import Record


def square(number: int) -> int:
    return number * number


def square_or_fail(number: int) -> int:
    """Fails for 3, and ends its process for 5."""
    if number == 3:
        raise PvttError("three is not a number here", "take another")
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def threads(_: int) -> tuple[str, str]:
    return os.environ["OMP_NUM_THREADS"], os.environ["OPENCV_FOR_THREADS_NUM"]


class TwoArgumentsError(Exception):
    """An exception that pickles but does not unpickle."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} in {where}")


def raise_unpicklable(_: int) -> None:
    raise TwoArgumentsError("a fault", "the decoder")


def return_unpicklable(_: int) -> object:
    return lambda: None


def beat_forever(file: Path) -> None:
    """Write this process's id, then touch `file` until something ends this process."""
    file.with_suffix(".pid").write_text(str(os.getpid()))
    while True:
        file.touch()
        time.sleep(0.05)


def rank_of(folder: Path) -> tuple[str, ...]:
    """What torchrun's variables say in this process; every process leaves a file."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
    values = tuple(os.environ[name] for name in names)
    (folder / values[0]).write_text(os.environ["MASTER_PORT"])
    return values


def fail_in_rank_one(seconds: float) -> None:
    """Rank 0 waits, as in a collective operation, for a rank that never comes."""
    if os.environ["RANK"] == "1":
        raise PvttError("rank 1 fell over", "look at its log")
    time.sleep(seconds)


def environment(name: str) -> str | None:
    return os.environ.get(name)


def count_starts(file: Path) -> int:
    """Ends only when it is started the second time; returns the number of starts."""
    starts = len(file.read_text()) + 1 if file.exists() else 1
    file.write_text("x" * starts)
    while starts < 2:
        time.sleep(0.05)
    return starts


def end_soon(file: Path) -> int:
    """Takes a few seconds; returns how often it was started."""
    starts = len(file.read_text()) + 1 if file.exists() else 1
    file.write_text("x" * starts)
    time.sleep(4)
    return starts


class Number(Record):
    """An item of `multiply`."""

    value: int
    folder: str  # where a test holds it up, and sees that it began


class Settings(Record):
    factor: int = 2


class Product(Record):
    value: int


def multiply(number: Number, directory: Path, settings: Settings) -> Product:
    """Waits while the test holds it with a file `hold-<value>`; dies where there is a file `kill-<value>`."""
    folder = Path(number.folder)
    (folder / f"pid-{number.value}").write_text(str(os.getpid()))
    with (folder / "began").open("a") as began:
        began.write(f"{number.value}\n")
    while (folder / f"hold-{number.value}").exists():
        time.sleep(0.05)
    if (folder / f"kill-{number.value}").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / f"need-{number.value}").exists():
        importlib.import_module("a_package_that_is_not_here")
    (directory / "out.txt").write_text(str(number.value * settings.factor))
    return Product(value=number.value * settings.factor)


def fill_memory(gb: int) -> int:
    """Write to so many gigabytes."""
    return len(bytearray(b"x") * (gb << 30))


def fill_gpu(gb: int) -> None:
    """Fails as PyTorch does on a GPU that has not so much memory."""
    raise RuntimeError(f"CUDA out of memory. Tried to allocate {gb}.00 GiB.")


def own_gpu(wait_s: float) -> str | None:
    """The GPU that this worker sees."""
    time.sleep(wait_s)
    return os.environ.get("CUDA_VISIBLE_DEVICES")
