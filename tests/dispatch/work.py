"""Functions that the tests send to other processes and jobs, which import them by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pvtt.errors import PvttError


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
