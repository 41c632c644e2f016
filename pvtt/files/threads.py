"""How threads wait for each other."""

from __future__ import annotations

import os

SPIN_COUNT = 1000  # looks, a few microseconds, before a waiting thread lets go of its core


def set_thread_policy() -> None:
    """Have OpenMP's threads sleep soon while they wait; before torch is imported, and what is set already stays.

    libgomp's threads spin for milliseconds at each barrier, of which a training step has thousands. On a machine in use
    they spin while the one that they wait for has no core.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
