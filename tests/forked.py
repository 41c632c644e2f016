"""A copy of this process that is as this one is, to be ended in its middle by a real signal."""

from __future__ import annotations

import gc
import os


def fork() -> int:
    """As `os.fork`; the child never collects what this process has left.

    Garbage of the tests before may hold what native libraries made, and wait for threads that the child has not.
    """
    child = os.fork()
    if child == 0:
        gc.freeze()
    return child
