"""How threads wait for each other."""

from __future__ import annotations

import os

SPIN_COUNT = 1000  # looks, a few microseconds, before a waiting thread lets go of its core


def set_thread_policy() -> None:
    """Have OpenMP's threads sleep soon while they wait; before torch is imported, and what is set already stays.

    libgomp's threads spin for milliseconds at each barrier, of which a training step has thousands. On a machine in use
    they spin while the one that they wait for has no core. Seconds a training step of the tiny profile takes on two
    cores, alone and beside four processes that spin: 1.2-1.7 and 10.9-12.3 as libgomp has it, 1.2-1.6 and 4.9 with
    1,000 looks, 1.1-1.6 and 3.6-3.8 with none. What the cores give beside four is three times the first.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
